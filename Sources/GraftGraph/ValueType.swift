import GraftTensor

/// The element type of a tensor and the known part of its shape.
package struct TensorType: Hashable, Sendable {
  package var elementType: ElementType
  /// `nil` if not even the rank is known.
  package var shape: [Dimension]?

  package init(_ elementType: ElementType, _ shape: [Dimension]?) {
    self.elementType = elementType
    self.shape = shape
  }
}

/// The type of a value in a graph.
package indirect enum ValueType: Hashable, Sendable {
  case tensor(TensorType)
  case sparseTensor(TensorType)
  case sequence(ValueType)
  case optional(ValueType)
  case map(key: ElementType, value: ValueType)

  package var tensor: TensorType? {
    if case .tensor(let type) = self { type } else { nil }
  }

  /// The type of a sequence's elements.
  package var sequenceElement: ValueType? {
    if case .sequence(let element) = self { element } else { nil }
  }

  /// The type of an optional's element.
  package var optionalElement: ValueType? {
    if case .optional(let element) = self { element } else { nil }
  }

  /// The type of values that have this type or `other`; `nil` if they are of different kinds.
  package func joined(with other: ValueType) -> ValueType? {
    switch (self, other) {
    case (.tensor(let first), .tensor(let second)):
      first.joined(with: second).map { .tensor($0) }
    case (.sparseTensor(let first), .sparseTensor(let second)):
      first.joined(with: second).map { .sparseTensor($0) }
    case (.sequence(let first), .sequence(let second)):
      first.joined(with: second).map { .sequence($0) }
    case (.optional(let first), .optional(let second)):
      first.joined(with: second).map { .optional($0) }
    case (.map(let key, let first), .map(let otherKey, let second)) where key == otherKey:
      first.joined(with: second).map { .map(key: key, value: $0) }
    default: nil
    }
  }
}

extension TensorType {
  /// The type of tensors that have this type or `other`; `nil` if their elements differ.
  package func joined(with other: TensorType) -> TensorType? {
    guard elementType == other.elementType else { return nil }
    guard let shape, let others = other.shape, shape.count == others.count else {
      return TensorType(elementType, nil)
    }
    return TensorType(elementType, zip(shape, others).map { $0 == $1 ? $0 : .unknown })
  }
}

extension TensorType: CustomStringConvertible {
  package var description: String {
    guard let shape else { return "\(elementType)[…]" }
    return "\(elementType)[\(shape.map(\.description).joined(separator: ", "))]"
  }
}

extension ValueType: CustomStringConvertible {
  package var description: String {
    switch self {
    case .tensor(let type): type.description
    case .sparseTensor(let type): "sparse \(type)"
    case .sequence(let element): "sequence(\(element))"
    case .optional(let element): "optional(\(element))"
    case .map(let key, let value): "map(\(key), \(value))"
    }
  }
}
