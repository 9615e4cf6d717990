import GraftExecution
import GraftFiles
import GraftGraph

/// The inverse of the hyperbolic sine.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Asinh.html>
struct Asinh: ElementwiseUnary {
  static let schema = OperatorSchema("Asinh", since: [9, 22], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { asinh($0) }, double: { asinh($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / .sqrt(.x * .x + 1))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-1.81844652, -0.881373584, -0.24746646, 0.481211811, 1.44363546, 2.0947125], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "infinities",
        inputs: [.floats([-.infinity, .infinity], [2])],
        outputs: [.floats([-.infinity, .infinity], [2])]),
    ]
  }
}
