import GraftExecution
import GraftFiles
import GraftGraph

/// The sine of x in radians.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sin.html>
struct Sin: ElementwiseUnary {
  static let schema = OperatorSchema("Sin", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { sin($0) }, double: { sin($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .cos(.x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-0.141120002, -0.841470957, -0.247403964, 0.47942555, 0.909297407, -0.756802499], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "infinity has no sine",
        inputs: [.floats([0, .infinity], [2])],
        outputs: [.floats([0, .nan], [2])]),
    ]
  }
}
