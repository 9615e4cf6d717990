import GraftTensor

/// Infers the bodies of one node, for its operator's inference.
package protocol BodyInference: Sendable {
  /// The number of bodies around this node.
  var depth: Int { get }

  /// What a body computes from inputs of these types; see ``InferenceContext/inferBody``.
  func infer(
    _ attribute: String, _ inputs: [ValueType?], contents: [Tensor?]
  ) throws -> [BodyValue]
}

/// What is known of an output of a body before it runs.
package struct BodyValue: Sendable {
  package var type: ValueType?
  package var contents: Tensor?

  package init(type: ValueType?, contents: Tensor? = nil) {
    self.type = type
    self.contents = contents
  }
}

extension ValueType {
  /// The narrowest type that this one and another one belong to, as far as it can be written;
  /// `nil` if there is none.
  package func generalized(with other: ValueType) -> ValueType? {
    switch (self, other) {
    case (.tensor(let first), .tensor(let second)):
      first.generalized(with: second).map { .tensor($0) }
    case (.sparseTensor(let first), .sparseTensor(let second)):
      first.generalized(with: second).map { .sparseTensor($0) }
    case (.sequence(let first), .sequence(let second)):
      first.generalized(with: second).map { .sequence($0) }
    case (.optional(let first), .optional(let second)):
      first.generalized(with: second).map { .optional($0) }
    case (.optional(let first), let second), (let second, .optional(let first)):
      first.generalized(with: second).map { .optional($0) }
    case (.map, .map): self == other ? self : nil
    default: nil
    }
  }

  /// The type without its extents, and for a tensor without its rank.
  package var withoutShape: ValueType {
    switch self {
    case .tensor(let type): .tensor(TensorType(type.elementType, nil))
    case .sparseTensor(let type): .sparseTensor(TensorType(type.elementType, nil))
    case .sequence(let element): .sequence(element.withoutShape)
    case .optional(let element): .optional(element.withoutShape)
    case .map(let key, let value): .map(key: key, value: value.withoutShape)
    }
  }
}

extension TensorType {
  fileprivate func generalized(with other: TensorType) -> TensorType? {
    guard elementType == other.elementType else { return nil }
    guard let shape, let otherShape = other.shape, shape.count == otherShape.count else {
      return TensorType(elementType, nil)
    }
    return TensorType(elementType, zip(shape, otherShape).map { $0 == $1 ? $0 : .unknown })
  }
}
