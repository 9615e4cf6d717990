import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x for x >= 0, alpha x below.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LeakyRelu.html>
package struct LeakyRelu: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "LeakyRelu", since: [1, 6, 16], sameSince: 1, inputs: 1...1)

  private let alpha: Float

  package init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 0.01)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.leaky_relu }, alpha) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_LEAKY_RELU, alpha)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let slope = Double(alpha)
    return try context.unaryKernel(floatFunction, double: { $0 < 0 ? slope * $0 : $0 })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.select(.x < 0, .dy * .number(Double(alpha)), .dy))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default slope",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([-0.03, -0.01, -0.0025, 0.5, 2, 4], [6])], differentiableInputs: [0]),
      OperatorExample(
        "slope 0.5", attributes: ["alpha": .float(0.5)],
        inputs: [.floats([-2, 0, 3], [3, 1])],
        outputs: [.floats([-1, 0, 3], [3, 1])]),
    ]
  }
}
