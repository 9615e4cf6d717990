import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// The hyperbolic tangent.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Tanh.html>
package struct Tanh: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Tanh", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.tanh }) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_TANH)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { tanh($0) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * (1 - .y * .y))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [
          .floats(
            [-0.995054781, -0.761594176, -0.244918659, 0.462117165, 0.964027584, 0.999329329],
            [2, 3])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-.infinity, .infinity, .nan, 50, 1e-20], [5])],
        outputs: [.floats([-1, 1, .nan, 1, 1e-20], [5])]),
    ]
  }
}
