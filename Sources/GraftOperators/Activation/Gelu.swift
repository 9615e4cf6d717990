import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x Φ(x) with the normal distribution function Φ, or its approximation by tanh.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Gelu.html>
package struct Gelu: ElementwiseUnary {
  package static let schema = OperatorSchema("Gelu", since: [20], sameSince: 20, inputs: 1...1)

  private let isApproximate: Bool
  private static let tanhScale = (2 / Double.pi).squareRoot()
  private static let cubicFactor = 0.044715

  package init(_ attributes: AttributeReader) throws {
    isApproximate =
      try attributes.choice("approximate", default: "none", of: ["none", "tanh"]) == "tanh"
  }

  var floatFunction: FloatFunction? {
    isApproximate ? FloatFunction({ $0.gelu_tanh }) : FloatFunction({ $0.gelu })
  }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_GELU, isApproximate ? 1 : 0)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard isApproximate else {
      return try context.unaryKernel(
        floatFunction, double: { 0.5 * $0 * (1 + erf($0 * 0.5.squareRoot())) })
    }
    return try context.unaryKernel(
      floatFunction,
      double: { x in
        0.5 * x * (1 + tanh(Gelu.tanhScale * (x + Gelu.cubicFactor * x * x * x)))
      })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * (isApproximate ? approximateDerivative : exactDerivative))
  }

  /// Φ(x) + x φ(x)
  private var exactDerivative: GradientFormula {
    let distribution = 0.5 + 0.5 * GradientFormula.erf(.x * .number(0.5.squareRoot()))
    let density = GradientFormula.exp(-0.5 * .x * .x) * .number(1 / (2 * Double.pi).squareRoot())
    return distribution + .x * density
  }

  private var approximateDerivative: GradientFormula {
    let square = GradientFormula.x * .x
    let scale = GradientFormula.number(Gelu.tanhScale)
    let tangent = GradientFormula.tanh(scale * .x * (1 + .number(Gelu.cubicFactor) * square))
    let slope = scale * (1 + .number(3 * Gelu.cubicFactor) * square)
    return 0.5 * (1 + tangent) + 0.5 * .x * (1 - tangent * tangent) * slope
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "exact",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [
          .floats(
            [-0.00404969417, -0.158655256, -0.100323416, 0.345731229, 1.95449972, 3.9998734],
            [2, 3])
        ], differentiableInputs: [0]),
      OperatorExample(
        "approximate", attributes: ["approximate": .string("tanh")],
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-0.00363739207, -0.158808008, -0.100324646, 0.345714003, 1.95459771, 3.99992967], [6])
        ], differentiableInputs: [0]),
    ]
  }
}
