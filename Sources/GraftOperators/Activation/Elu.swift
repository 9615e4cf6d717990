import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x for x >= 0, alpha (exp(x) - 1) below.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Elu.html>
package struct Elu: ElementwiseUnary {
  package static let schema = OperatorSchema("Elu", since: [1, 6, 22], sameSince: 1, inputs: 1...1)

  private let alpha: Float

  package init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.elu }, alpha) }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let alpha = Double(alpha)
    return try context.unaryKernel(floatFunction, double: { $0 < 0 ? alpha * expm1($0) : $0 })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.select(.x < 0, .dy * (.y + .number(Double(alpha))), .dy))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [.floats([-0.950212955, -0.63212055, -0.221199214, 0.5, 2, 4], [2, 3])],
        differentiableInputs: [0]),
      OperatorExample(
        "alpha 2", attributes: ["alpha": .float(2)],
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([-1.90042591, -1.2642411, -0.442398429, 0.5, 2, 4], [6])],
        differentiableInputs: [0]),
      OperatorExample(
        "infinities",
        inputs: [.floats([-.infinity, .infinity], [2])],
        outputs: [.floats([-1, .infinity], [2])]),
    ]
  }
}
