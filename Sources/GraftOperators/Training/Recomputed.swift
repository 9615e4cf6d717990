import GraftExecution
import GraftGraph

/// Passes its input through to nodes that recompute others, so that they are not merged with the
/// originals.
struct Recomputed: Operator {
  static let schema = OperatorSchema(
    "Recomputed", domain: "graft", since: [1], inputs: 1...1)
  static let acceptsUnalignedInputs = true

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws { try context.setOutputLikeInput() }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(0, try builder.outputGradient())
  }

  /// Never merged, as that would undo it.
  var isDeterministic: Bool { false }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", inputs: [.floats([1, 2], [2])], outputs: [.floats([1, 2], [2])],
        differentiableInputs: [0])
    ]
  }
}
