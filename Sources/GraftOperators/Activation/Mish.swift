import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x tanh(softplus(x))
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Mish.html>
struct Mish: ElementwiseUnary {
  static let schema = OperatorSchema("Mish", since: [18, 22], sameSince: 18, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.mish }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0 * tanh(max($0, 0) + log1p(exp(-abs($0)))) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let tangent = GradientFormula.tanh(.softplus(.x))
    try builder.setGradient(.dy * (tangent + .x * (1 - tangent * tangent) * .sigmoid(.x)))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-0.145647466, -0.30340147, -0.129926965, 0.375245214, 1.943959, 3.99741292], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-120, 0, 100], [3])],
        outputs: [.floats([0, 0, 100], [3])]),
    ]
  }
}
