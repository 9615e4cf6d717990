import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// The natural logarithm; NaN below zero.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Log.html>
struct Log: ElementwiseUnary {
  static let schema = OperatorSchema("Log", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.log }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { log($0) })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy / .x)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([0.25, 1, 2, 10], [4])],
        outputs: [.floats([-1.38629436, 0, 0.693147182, 2.30258512], [4])],
        differentiableInputs: [0]),
      OperatorExample(
        "outside",
        inputs: [.floats([-1, 0, .infinity, .nan], [4])],
        outputs: [.floats([.nan, -.infinity, .infinity, .nan], [4])]),
    ]
  }
}
