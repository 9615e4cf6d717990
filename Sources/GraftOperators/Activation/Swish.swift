import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x sigmoid(alpha x)
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Swish.html>
package struct Swish: ElementwiseUnary {
  package static let schema = OperatorSchema("Swish", since: [24], sameSince: 24, inputs: 1...1)

  private let alpha: Float

  package init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.swish }, alpha) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_SWISH, alpha)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let alpha = Double(alpha)
    return try context.unaryKernel(floatFunction, double: { $0 / (1 + exp(-alpha * $0)) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let alpha = GradientFormula.number(Double(alpha))
    let sigmoid = GradientFormula.sigmoid(alpha * .x)
    try builder.setGradient(.dy * (sigmoid + alpha * .y * (1 - sigmoid)))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-0.142277613, -0.268941432, -0.109455876, 0.311229676, 1.76159418, 3.92805505], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "alpha 2", attributes: ["alpha": .float(2)],
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [
          .floats(
            [-0.00741786929, -0.119202919, -0.0943851694, 0.365529299, 1.96402752, 3.99865866],
            [2, 3])
        ], differentiableInputs: [0]),
    ]
  }
}
