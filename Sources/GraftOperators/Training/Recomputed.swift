import GraftExecution
import GraftGraph

/// Passes its input through to nodes that recompute others, so that they are not merged with the
/// originals.
package struct Recomputed: Operator {
  package static let schema = OperatorSchema(
    "Recomputed", domain: "graft", since: [1], inputs: 1...1)
  package static let acceptsUnalignedInputs = true
  package static let operandCount = 1

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws { try context.setOutputLikeInput() }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(0, try builder.outputGradient())
  }

  /// Never merged, as that would undo it.
  package var isDeterministic: Bool { false }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", inputs: [.floats([1, 2], [2])], outputs: [.floats([1, 2], [2])],
        differentiableInputs: [0])
    ]
  }
}
