import GraftExecution
import GraftFiles
import GraftGraph

/// The hyperbolic cosine.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Cosh.html>
struct Cosh: ElementwiseUnary {
  static let schema = OperatorSchema("Cosh", since: [9, 22], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { cosh($0) }, double: { cosh($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .sinh(.x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats([10.0676622, 1.54308069, 1.03141308, 1.12762594, 3.76219559, 27.3082333], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "overflow",
        inputs: [.floats([0, -100], [2])],
        outputs: [.floats([1, .infinity], [2])]),
    ]
  }
}
