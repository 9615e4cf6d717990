import GraftExecution
import GraftFiles
import GraftGraph

/// The inverse of the hyperbolic tangent; NaN outside of -1...1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Atanh.html>
struct Atanh: ElementwiseUnary {
  static let schema = OperatorSchema("Atanh", since: [9, 22], sameSince: 9, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { atanh($0) }, double: { atanh($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / (1 - .x * .x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-0.75, -0.25, 0, 0.5, 0.875], [5])],
        outputs: [.floats([-0.972955048, -0.255412817, 0, 0.549306154, 1.35402513], [5])],
        differentiableInputs: [0]),
      OperatorExample(
        "the ends",
        inputs: [.floats([1, -1.5], [2])],
        outputs: [.floats([.infinity, .nan], [2])]),
    ]
  }
}
