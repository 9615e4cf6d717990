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
