import GraftExecution
import GraftFiles
import GraftGraph

/// The arc tangent, in radians.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Atan.html>
struct Atan: ElementwiseUnary {
  static let schema = OperatorSchema("Atan", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { atan($0) }, double: { atan($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / (1 + .x * .x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-1.24904573, -0.785398185, -0.244978666, 0.463647604, 1.10714877, 1.3258177], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "infinities",
        inputs: [.floats([-.infinity, .infinity], [2])],
        outputs: [.floats([-1.57079637, 1.57079637], [2])]),
    ]
  }
}
