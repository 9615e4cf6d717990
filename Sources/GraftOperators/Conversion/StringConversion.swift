import GraftExecution
import GraftFiles
import GraftTensor

extension Tensor {
  /// The numbers in the strings of this tensor.
  ///
  /// - Throws: `GraftError` for a string that is not a number
  func parsed(as type: ElementType, _ rounding: NarrowFloat.Rounding) throws -> Tensor {
    let result = try Tensor(zeros: type, shape: shape)
    let width = type.byteWidth
    for (index, text) in strings.enumerated() {
      let destination = result.baseAddress + index * width
      // Integers beyond 2^53 and floats are exact only if parsed in their own type.
      if type.isInteger, let number = Int64(text) {
        try store(number, .int64, to: destination, type, rounding)
      } else if type.isInteger, let number = UInt64(text) {
        try store(number, .uint64, to: destination, type, rounding)
      } else if type == .float, let number = Float(text) {
        try store(number, .float, to: destination, type, rounding)
      } else if let number = Double(text) {
        try store(number, .double, to: destination, type, rounding)
      } else {
        throw GraftError.badData("the string '\(text.prefix(40))' is not a number")
      }
    }
    return result
  }

  /// The numbers of this tensor as strings: the shortest that give the same number again.
  func formatted() throws -> Tensor {
    let strings: [String]
    switch elementType {
    case .uint64: strings = try elements(as: UInt64.self).map(\.description)
    case .bool: strings = try integers().map(\.description)
    case _ where elementType.isInteger: strings = try integers().map(\.description)
    case .double: strings = try elements(as: Double.self).map(spelled)
    case .float16: strings = try elements(as: Float16.self).map(spelled)
    default:
      let floats = try Tensor(zeros: .float, shape: shape)
      try ElementConversion.convert(
        baseAddress, elementType, to: floats.baseAddress, .float, count: elementCount)
      strings = try floats.elements(as: Float.self).map(spelled)
    }
    return try Tensor(strings: strings, shape: shape)
  }
}

/// Converts one number.
private func store<Number>(
  _ number: Number, _ numberType: ElementType, to destination: UnsafeMutableRawPointer,
  _ type: ElementType, _ rounding: NarrowFloat.Rounding
) throws {
  try withUnsafeBytes(of: number) { bytes in
    guard let source = bytes.baseAddress else { return }
    try ElementConversion.convert(
      source, numberType, to: destination, type, count: 1, rounding: rounding)
  }
}

/// A number in the notation of Cast's specification.
private func spelled<Number: BinaryFloatingPoint & CustomStringConvertible>(
  _ number: Number
) -> String {
  if number.isNaN { return "NaN" }
  if number.isInfinite { return number > 0 ? "INF" : "-INF" }
  return number.description
}
