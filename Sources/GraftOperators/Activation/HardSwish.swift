import CGraftKernels
import GraftExecution
import GraftGraph

/// y = x max(0, min(1, x / 6 + 0.5))
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__HardSwish.html>
struct HardSwish: ElementwiseUnary {
  static let schema = OperatorSchema("HardSwish", since: [14, 22], sameSince: 14, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.hard_swish }) }

  func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_HARD_SWISH)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0 * max(0, min(1, $0 / 6 + 0.5)) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let middle = GradientFormula.dy * (.x * .number(1.0 / 3) + 0.5)
    try builder.setGradient(
      .select(.x > -3, .select(.x < 3, middle, .dy), 0))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-4, -1, -0.25, 0.5, 2, 4], [3, 2])],
        outputs: [.floats([0, -0.333333343, -0.114583336, 0.291666657, 1.66666663, 4], [3, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "a scalar",
        inputs: [.floats([3], [])],
        outputs: [.floats([3], [])]),
    ]
  }
}
