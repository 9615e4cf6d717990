import GraftExecution
import GraftFiles
import GraftTensor

/// A table from keys to values, each of one element type.
///
/// Of equal keys the last one counts. NaN equals NaN, and both zeros are equal.
struct LabelTable: Sendable {
  private enum Places: Sendable {
    case integers([Int64: Int])
    /// By the bits of the double, of one zero and one NaN.
    case numbers([UInt64: Int])
    case strings([ByteString: Int])
  }

  static let elementTypes: Set<ElementType> = [.float, .double, .int16, .int32, .int64, .string]

  let keyType: ElementType
  let valueType: ElementType
  private let places: Places
  /// One for each place, and the one for keys that are missing.
  private let values: Tensor

  /// - Parameters:
  ///   - keys: `[count]`
  ///   - values: `[count]`
  ///   - missing: the value of other keys; one element
  init(keys: Tensor, values: Tensor, missing: Tensor) throws {
    guard keys.rank == 1, values.shape == keys.shape else {
      throw GraftError.badData(
        "has keys of shape \(keys.shape), and values of shape \(values.shape)")
    }
    for tensor in [keys, values] where !Self.elementTypes.contains(tensor.elementType) {
      throw GraftError.badData("has keys or values of type \(tensor.elementType)")
    }
    guard missing.elementType == values.elementType, missing.elementCount == 1 else {
      throw GraftError.badData(
        "the default is \(missing.elementType)\(missing.shape); expected one \(values.elementType)")
    }
    keyType = keys.elementType
    valueType = values.elementType
    switch keyType {
    case .string: places = .strings(Self.places(keys.strings.map { ByteString($0) }))
    case .float, .double: places = .numbers(Self.places(try keys.doubles().map(Self.bits)))
    default: places = .integers(Self.places(try keys.integers().map { Int64($0) }))
    }
    if valueType == .string {
      self.values = try Tensor(
        strings: values.strings + missing.strings, shape: [values.elementCount + 1])
    } else {
      self.values = try Tensor(zeros: valueType, shape: [values.elementCount + 1])
      let place = self.values.baseAddress
      place.copyMemory(from: values.baseAddress, byteCount: values.byteCount)
      (place + values.byteCount).copyMemory(
        from: missing.baseAddress, byteCount: missing.byteCount)
    }
  }

  private static func places<Key: Hashable>(_ keys: [Key]) -> [Key: Int] {
    Dictionary(keys.enumerated().map { ($0.element, $0.offset) }) { $1 }
  }

  private static func bits(_ number: Double) -> UInt64 {
    (number.isNaN ? .nan : number + 0).bitPattern
  }

  private var missing: Int { values.elementCount - 1 }

  /// The kernel that replaces the keys of input 0 by their values.
  func kernel(_ context: PrepareContext) throws -> PreparedKernel {
    let input = try context.input(0)
    guard keyType != .string, valueType != .string else {
      return .growing { inputs, memory in
        guard let keys = try inputs.first??.tensor else {
          throw GraftError.badData("input 0 is missing")
        }
        try memory.require([Tensor.memoryByteCount(valueType, keys.shape)])
        return [.tensor(try replaced(keys))]
      }
    }
    let table = self
    let width = valueType.byteWidth
    return .parallel(count: input.elementCount, grain: 1 << 12) { arguments, range in
      let source = table.values.baseAddress
      let target = arguments.output(0)
      try table.forEachPlace(arguments.input(0), range) { index, place in
        (target + index * width).copyMemory(from: source + place * width, byteCount: width)
      }
    }
  }

  private func replaced(_ keys: Tensor) throws -> Tensor {
    var found: [Int] = []
    found.reserveCapacity(keys.elementCount)
    if case .strings(let places) = places {
      for key in keys.strings { found.append(places[ByteString(key)] ?? missing) }
    } else {
      try forEachPlace(keys.baseAddress, 0..<keys.elementCount) { found.append($1) }
    }
    return try values.selecting(found, axis: 0).reshaped(keys.shape)
  }

  /// Calls `body` with each index of a range, and the place of the value.
  private func forEachPlace(
    _ keys: UnsafeRawPointer, _ range: Range<Int>, _ body: (Int, Int) -> Void
  ) throws {
    func each<Element: TensorElement>(_: Element.Type, _ place: (Element) -> Int?) {
      let keys = keys.assumingMemoryBound(to: Element.self)
      for index in range { body(index, place(keys[index]) ?? missing) }
    }
    switch (places, keyType) {
    case (.integers(let places), .int16): each(Int16.self) { places[Int64($0)] }
    case (.integers(let places), .int32): each(Int32.self) { places[Int64($0)] }
    case (.integers(let places), _): each(Int64.self) { places[$0] }
    case (.numbers(let places), .float): each(Float.self) { places[Self.bits(Double($0))] }
    case (.numbers(let places), _): each(Double.self) { places[Self.bits($0)] }
    case (.strings, _): throw GraftError(.software, "strings have no bytes")
    }
  }
}
