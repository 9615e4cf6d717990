import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = exp(x)
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Exp.html>
package struct Exp: ElementwiseUnary {
  package static let schema = OperatorSchema("Exp", since: [1, 6, 13], sameSince: 1, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.exp }) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { exp($0) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .y)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [
          .floats(
            [0.0497870669, 0.36787945, 0.778800786, 1.64872122, 7.38905621, 54.5981483], [2, 3])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-.infinity, -200, 100, .infinity, .nan], [5])],
        outputs: [.floats([0, 0, .infinity, .infinity, .nan], [5])]),
    ]
  }
}
