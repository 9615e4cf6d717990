import CGraftKernels
import GraftExecution
import GraftGraph

/// y = 1 / x
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Reciprocal.html>
package struct Reciprocal: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Reciprocal", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.reciprocal }) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { 1 / $0 })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(-(.dy * .y * .y))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([0.25, 1, -2, 10], [2, 2])],
        outputs: [.floats([4, 1, -0.5, 0.1], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "zero and infinity",
        inputs: [.floats([0, -.infinity], [2])],
        outputs: [.floats([.infinity, 0], [2])]),
    ]
  }
}
