import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = 1 / (1 + exp(-x))
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sigmoid.html>
package struct Sigmoid: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Sigmoid", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.sigmoid }) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_SIGMOID)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { 1 / (1 + exp(-$0)) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .y * (1 - .y))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [
          .floats(
            [0.0474258736, 0.268941432, 0.437823504, 0.622459352, 0.880797088, 0.982013762], [2, 3])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-200, 200, -.infinity, .infinity, .nan], [5])],
        outputs: [.floats([0, 1, 0, 1, .nan], [5])]),
      OperatorExample(
        "an empty tensor", inputs: [.floats([], [0, 2])], outputs: [.floats([], [0, 2])]),
    ]
  }
}
