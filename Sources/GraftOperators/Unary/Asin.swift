import GraftExecution
import GraftFiles
import GraftGraph

/// The arc sine, in radians; NaN outside of -1...1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Asin.html>
struct Asin: ElementwiseUnary {
  static let schema = OperatorSchema("Asin", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { asin($0) }, double: { asin($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / .sqrt(1 - .x * .x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-0.75, -0.25, 0, 0.5, 0.875], [5])],
        outputs: [.floats([-0.848062098, -0.252680242, 0, 0.52359879, 1.06543577], [5])],
        differentiableInputs: [0]),
      OperatorExample(
        "the ends",
        inputs: [.floats([1, 1.5], [2])],
        outputs: [.floats([1.57079637, .nan], [2])]),
    ]
  }
}
