import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = max(0, min(1, alpha x + beta))
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__HardSigmoid.html>
package struct HardSigmoid: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "HardSigmoid", since: [1, 6, 22], sameSince: 1, inputs: 1...1)

  private let alpha: Float
  private let beta: Float

  package init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 0.2)
    beta = try attributes.float("beta", default: 0.5)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.hard_sigmoid }, alpha, beta) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_HARD_SIGMOID, alpha, beta)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let alpha = Double(alpha)
    let beta = Double(beta)
    return try context.unaryKernel(
      floatFunction,
      double: {
        let y = alpha * $0 + beta
        return y < 0 ? 0 : y > 1 ? 1 : y
      })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let slope = GradientFormula.dy * .number(Double(alpha))
    try builder.setGradient(.select(.y > 0, .select(.y < 1, slope, 0), 0))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([0, 0.3, 0.45, 0.6, 0.9, 1], [6])], differentiableInputs: [0]),
      OperatorExample(
        "alpha 0.5, beta 0.6", attributes: ["alpha": .float(0.5), "beta": .float(0.6)],
        inputs: [.floats([-1, 0, 1], [3])],
        outputs: [.floats([0.1, 0.6, 1], [3])]),
    ]
  }
}
