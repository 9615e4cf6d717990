import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Passes its input through: a tensor, a sequence or an optional.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Identity.html>
package struct Identity: Operator {
  package static let schema = OperatorSchema(
    "Identity", since: [1, 13, 14, 16, 19, 21, 23, 24, 25], sameSince: 1, inputs: 1...1)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    guard let type = try context.type(0) else {
      throw GraftError.badData("input 0 is missing")
    }
    context.setOutput(0, type)
  }

  package func isIdentity(_ context: InferenceContext) -> Bool { true }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    context.hasInput(0) ? .alias(input: 0) : .sharing { inputs, _ in [inputs.first ?? nil] }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(0, try builder.outputGradient())
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats", inputs: [.floats([1, 2], [2])], outputs: [.floats([1, 2], [2])],
        differentiableInputs: [0]),
      OperatorExample(
        "strings", inputs: [.strings(["a", ""], [2, 1])], outputs: [.strings(["a", ""], [2, 1])]),
      OperatorExample(
        "a sequence", values: [.sequence([.tensor(.floats([1], [1])), .tensor(.floats([2], []))])],
        results: [.sequence([.tensor(.floats([1], [1])), .tensor(.floats([2], []))])]),
      OperatorExample(
        "an optional sequence", values: [.optional(.sequence([.tensor(.integers([1], [1]))]))],
        results: [.optional(.sequence([.tensor(.integers([1], [1]))]))]),
      OperatorExample("an empty optional", values: [.optional(nil)], results: [.optional(nil)]),
    ]
  }
}
