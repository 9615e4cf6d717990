import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = log(1 + exp(x))
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Softplus.html>
package struct Softplus: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Softplus", since: [1, 22], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.softplus }) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { max($0, 0) + log1p(exp(-abs($0))) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .sigmoid(.x))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats(
            [0.048587352, 0.313261688, 0.575939417, 0.974076986, 2.12692809, 4.01814985], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-200, 0, 200, .infinity], [4])],
        outputs: [.floats([0, 0.693147182, 200, .infinity], [4])]),
    ]
  }
}
