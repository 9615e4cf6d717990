import GraftExecution
import GraftFiles
import GraftGraph

/// The tangent of x in radians.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Tan.html>
struct Tan: ElementwiseUnary {
  static let schema = OperatorSchema("Tan", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { tan($0) }, double: { tan($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * (1 + .y * .y))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [0.142546549, -1.55740774, -0.255341917, 0.546302497, -2.18503976, 1.1578213], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "infinity has no tangent",
        inputs: [.floats([0, .infinity], [2])],
        outputs: [.floats([0, .nan], [2])]),
    ]
  }
}
