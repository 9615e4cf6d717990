import GraftExecution
import GraftFiles
import GraftGraph

/// The hyperbolic sine.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sinh.html>
struct Sinh: ElementwiseUnary {
  static let schema = OperatorSchema("Sinh", since: [9, 22], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { sinh($0) }, double: { sinh($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .cosh(.x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [-10.0178747, -1.17520118, -0.252612323, 0.521095276, 3.62686038, 27.289917], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "overflow",
        inputs: [.floats([0, -100], [2])],
        outputs: [.floats([0, -.infinity], [2])]),
    ]
  }
}
