import CGraftKernels
import GraftExecution
import GraftGraph

/// y = x / (1 + |x|)
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Softsign.html>
struct Softsign: ElementwiseUnary {
  static let schema = OperatorSchema("Softsign", since: [1, 22], sameSince: 1, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.softsign }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0 / (1 + abs($0)) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let denominator = 1 + GradientFormula.abs(.x)
    try builder.setGradient(.dy / (denominator * denominator))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([-0.75, -0.5, -0.2, 0.333333343, 0.666666687, 0.8], [6])],
        differentiableInputs: [0]),
      OperatorExample(
        "an empty tensor", inputs: [.floats([], [0, 2])], outputs: [.floats([], [0, 2])]),
    ]
  }
}
