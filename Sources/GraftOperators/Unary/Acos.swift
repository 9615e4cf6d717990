import GraftExecution
import GraftFiles
import GraftGraph

/// The arc cosine, in radians; NaN outside of -1...1.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Acos.html>
struct Acos: ElementwiseUnary {
  static let schema = OperatorSchema("Acos", since: [7, 22], sameSince: 7, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(float: { acos($0) }, double: { acos($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(-(.dy / .sqrt(1 - .x * .x)))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-0.75, -0.25, 0, 0.5, 0.875], [5])],
        outputs: [.floats([2.41885829, 1.82347655, 1.57079637, 1.04719758, 0.505360484], [5])],
        differentiableInputs: [0]),
      OperatorExample(
        "the ends",
        inputs: [.floats([1, -1.5], [2])],
        outputs: [.floats([0, .nan], [2])]),
    ]
  }
}
