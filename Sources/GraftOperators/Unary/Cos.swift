import GraftExecution
import GraftFiles
import GraftGraph

/// The cosine of x in radians.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Cos.html>
struct Cos: ElementwiseUnary {
  static let schema = OperatorSchema("Cos", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { cos($0) }, double: { cos($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(-(.dy * .sin(.x)))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-0.989992499, 0.540302277, 0.968912423, 0.87758255, -0.416146845, -0.653643608], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "infinity has no cosine",
        inputs: [.floats([0, .infinity], [2])],
        outputs: [.floats([1, .nan], [2])]),
    ]
  }
}
