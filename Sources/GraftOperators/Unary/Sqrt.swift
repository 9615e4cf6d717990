import CGraftKernels
import GraftExecution
import GraftGraph

/// The square root; NaN below zero.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sqrt.html>
package struct Sqrt: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Sqrt", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.sqrt }) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0.squareRoot() })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * 0.5 / .y)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([0.25, 1, 2, 10], [4])],
        outputs: [.floats([0.5, 1, 1.41421354, 3.1622777], [4])], differentiableInputs: [0]),
      OperatorExample(
        "outside",
        inputs: [.floats([-1, 0, .infinity], [3])],
        outputs: [.floats([.nan, 0, .infinity], [3])]),
    ]
  }
}
