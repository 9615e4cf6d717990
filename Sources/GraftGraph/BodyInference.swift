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
  /// The type of values that have this type or `other`, where a value may stand for an optional
  /// that has it; `nil` if they are of different kinds.
  package func generalized(with other: ValueType) -> ValueType? {
    switch (self, other) {
    case (.optional, .optional): joined(with: other)
    case (.optional(let element), let value), (let value, .optional(let element)):
      element.generalized(with: value).map { .optional($0) }
    default: joined(with: other)
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
