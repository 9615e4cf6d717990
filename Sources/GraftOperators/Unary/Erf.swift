import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// The error function.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Erf.html>
package struct Erf: ElementwiseUnary {
  package static let schema = OperatorSchema("Erf", since: [9, 13], sameSince: 9, inputs: 1...1)

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.erf }) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { erf($0) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .number(2 / Double.pi.squareRoot()) * .exp(-(.x * .x)))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [
          .floats([-0.999977887, -0.842700779, -0.276326388, 0.520499885, 0.995322287, 1], [6])
        ], differentiableInputs: [0]),
      OperatorExample(
        "far out",
        inputs: [.floats([-.infinity, .infinity, .nan, 1e-20], [4])],
        outputs: [.floats([-1, 1, .nan, 1.12837919e-20], [4])]),
    ]
  }
}
