import GraftExecution
import GraftFiles
import GraftGraph

/// The inverse of the hyperbolic cosine; NaN below 1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Acosh.html>
struct Acosh: ElementwiseUnary {
  static let schema = OperatorSchema("Acosh", since: [9, 22], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { acosh($0) }, double: { acosh($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / .sqrt(.x * .x - 1))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([1.25, 2, 10], [3])],
        outputs: [.floats([0.693147182, 1.31695795, 2.99322295], [3])], differentiableInputs: [0]),
      OperatorExample(
        "the end",
        inputs: [.floats([1, 0.5], [2])],
        outputs: [.floats([0, .nan], [2])]),
    ]
  }
}
