import GraftFiles

/// A map: different keys, and a value for each.
package struct RuntimeMap: Sendable {
  package enum Values: Sendable {
    /// Scalars, as `[count]`.
    case scalars(Tensor)
    case elements([RuntimeValue])
  }

  /// Integers or strings, `[count]`.
  package let keys: Tensor
  package let values: Values

  /// - Throws: `GraftError` if a key occurs twice, or there are more keys or more values
  package init(keys: Tensor, values: Values) throws {
    try RuntimeMap.requireDifferent(keys)
    self.init(differentKeys: keys, values: values)
    let valueCount =
      switch values {
      case .scalars(let tensor): tensor.elementCount
      case .elements(let elements): elements.count
      }
    guard valueCount == keys.elementCount else {
      throw GraftError.badData("a map has \(keys.elementCount) keys, and \(valueCount) values")
    }
  }

  /// A map with keys that were checked by ``requireDifferent(_:)``, and as many values.
  package init(differentKeys keys: Tensor, values: Values) {
    self.keys = keys
    self.values = values
  }

  /// - Throws: `GraftError` if these cannot be the keys of a map
  package static func requireDifferent(_ keys: Tensor) throws {
    guard keys.elementType == .string || keys.elementType.isInteger, keys.rank == 1 else {
      throw GraftError.badData("a map has keys of type \(keys.elementType)\(keys.shape)")
    }
    let isDifferent =
      keys.elementType == .string
      ? Set(keys.strings.lazy.map { ByteString($0) }).count == keys.elementCount
      : Set(try keys.integers()).count == keys.elementCount
    guard isDifferent else { throw GraftError.badData("a map has a key twice") }
  }

  package var count: Int { keys.elementCount }

  /// The element type of the scalars; `nil` for other values.
  package var scalarType: ElementType? {
    if case .scalars(let tensor) = values { tensor.elementType } else { nil }
  }

  /// The value of a key.
  package func value(at index: Int) throws -> RuntimeValue {
    switch values {
    case .elements(let elements):
      guard elements.indices.contains(index) else {
        throw GraftError(.software, "a map has no value \(index)")
      }
      return elements[index]
    case .scalars(let tensor):
      guard tensor.elementType != .string else {
        return .tensor(try Tensor(strings: [tensor.strings[index]], shape: []))
      }
      return .tensor(
        try Tensor(
          elementType: tensor.elementType, shape: [], storage: tensor.storage,
          byteOffset: tensor.byteOffset + index * tensor.elementType.byteWidth))
    }
  }

  /// The memory of keys and values in bytes.
  package var memoryByteCount: Int {
    let valuesByteCount =
      switch values {
      case .scalars(let tensor): RuntimeValue.tensor(tensor).memoryByteCount
      case .elements(let elements): elements.reduce(0) { $0 + $1.memoryByteCount }
      }
    return RuntimeValue.tensor(keys).memoryByteCount + valuesByteCount
  }
}

extension RuntimeMap.Values {
  /// Values; scalars of one type become one tensor.
  package init(_ elements: [RuntimeValue]) throws {
    var scalars: [Tensor] = []
    for case .tensor(let tensor) in elements where tensor.elementCount == 1 && tensor.rank <= 1 {
      scalars.append(tensor)
    }
    let types = Set(scalars.map(\.elementType))
    guard scalars.count == elements.count, types.count == 1, let type = types.first else {
      self = .elements(elements)
      return
    }
    if type == .string {
      self = .scalars(try Tensor(strings: scalars.flatMap(\.strings), shape: [scalars.count]))
      return
    }
    let result = try Tensor(zeros: type, shape: [scalars.count])
    let width = type.byteWidth
    for (index, scalar) in scalars.enumerated() {
      scalar.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        (result.baseAddress + index * width).copyMemory(from: base, byteCount: width)
      }
    }
    self = .scalars(result)
  }
}
