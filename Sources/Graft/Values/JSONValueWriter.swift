import GraftExecution
import GraftFiles
import GraftTensor

/// Values as JSON. Numbers are the shortest that give the same number again; NaN and infinities are
/// strings, as JSON has no numbers for them.
struct JSONValueWriter {
  private var text = ""
  private let send: (UnsafeRawBufferPointer) throws -> Void

  private static let pieceByteCount = 1 << 16

  /// - Parameter send: takes the next bytes
  init(_ send: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.send = send }

  /// An object with a line for each value.
  mutating func write(_ values: [(name: String, value: RuntimeValue)]) throws {
    text += "{"
    for (number, (name, value)) in values.enumerated() {
      text += number == 0 ? "\n  " : ",\n  "
      append(name)
      text += ": "
      try write(value)
    }
    text += values.isEmpty ? "}\n" : "\n}\n"
    try flush()
  }

  private mutating func write(_ value: RuntimeValue) throws {
    switch value {
    case .tensor(let tensor): try write(tensor)
    case .sequence(let elements):
      text += "["
      for (number, element) in elements.enumerated() {
        if number > 0 { text += ", " }
        try write(element)
      }
      text += "]"
    case .optional(let element):
      if let element { try write(element) } else { text += "null" }
    case .map(let map):
      text += "{"
      let integers = map.keys.elementType == .string ? [] : try map.keys.integers()
      for index in 0..<map.count {
        if index > 0 { text += ", " }
        append(integers.isEmpty ? map.keys.strings[index] : String(integers[index]))
        text += ": "
        try write(map.value(at: index))
      }
      text += "}"
    }
  }

  private mutating func write(_ tensor: Tensor) throws {
    let tensor = tensor.isAligned ? tensor : try tensor.copied()
    let elements = try ElementText(tensor)
    var next = 0
    try write(tensor.shape[...], elements, &next)
  }

  private mutating func write(
    _ shape: ArraySlice<Int>, _ elements: ElementText, _ next: inout Int
  ) throws {
    guard let extent = shape.first else {
      if let string = elements.string(next) { append(string) } else { text += elements.text(next) }
      next += 1
      if text.utf8.count >= Self.pieceByteCount { try flush() }
      return
    }
    text += "["
    for index in 0..<extent {
      if index > 0 { text += ", " }
      try write(shape.dropFirst(), elements, &next)
    }
    text += "]"
  }

  private mutating func flush() throws {
    try text.withUTF8 { try send(UnsafeRawBufferPointer($0)) }
    text.removeAll(keepingCapacity: true)
  }

  private mutating func append(_ string: String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}

/// The elements of a tensor as JSON, without their arrays.
private struct ElementText {
  private enum Numbers {
    case strings([String])
    case truths([Bool])
    case integers([Int64])
    case unsigned([UInt64])
    case floats([Float])
    case doubles([Double])
    /// Real and imaginary parts in turn.
    case complex([Double])
  }

  private let numbers: Numbers

  init(_ tensor: Tensor) throws {
    func converted(_ elementType: ElementType) throws -> Tensor {
      let result = try Tensor(zeros: elementType, shape: tensor.shape)
      try ElementConversion.convert(
        tensor.baseAddress, tensor.elementType, to: result.baseAddress, elementType,
        count: tensor.elementCount)
      return result
    }
    numbers =
      switch tensor.elementType {
      case .string: .strings(tensor.strings)
      case .bool: .truths(try tensor.elements())
      case .uint64: .unsigned(try tensor.elements())
      case .double: .doubles(try tensor.elements())
      case .complex64:
        .complex(
          try tensor.parts(.float).elements(as: Float.self).map { Double($0) })
      case .complex128: .complex(try tensor.parts(.double).elements())
      case let elementType where elementType.isInteger:
        .integers(try converted(.int64).elements())
      default: .floats(try converted(.float).elements())
      }
  }

  func string(_ index: Int) -> String? {
    if case .strings(let strings) = numbers { strings[index] } else { nil }
  }

  func text(_ index: Int) -> String {
    switch numbers {
    case .strings(let strings): strings[index]
    case .truths(let truths): truths[index] ? "true" : "false"
    case .integers(let integers): String(integers[index])
    case .unsigned(let integers): String(integers[index])
    case .floats(let floats): Self.spelled(floats[index])
    case .doubles(let doubles): Self.spelled(doubles[index])
    case .complex(let parts):
      "[\(Self.spelled(parts[2 * index])), \(Self.spelled(parts[2 * index + 1]))]"
    }
  }

  private static func spelled<Number: BinaryFloatingPoint & CustomStringConvertible>(
    _ number: Number
  ) -> String {
    if number.isNaN { return "\"NaN\"" }
    if number.isInfinite { return number > 0 ? "\"Infinity\"" : "\"-Infinity\"" }
    return number.description
  }
}

extension Tensor {
  /// The parts of complex numbers.
  fileprivate func parts(_ elementType: ElementType) throws -> Tensor {
    try Tensor(
      elementType: elementType, shape: shape + [2], storage: storage, byteOffset: byteOffset)
  }
}
