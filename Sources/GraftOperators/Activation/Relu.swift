import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// y = max(x, 0); NaN stays NaN.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Relu.html>
package struct Relu: ElementwiseUnary {
  package static let schema = OperatorSchema(
    "Relu", since: [1, 6, 13, 14], sameSince: 1, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .realNumbers.subtracting(.unsignedIntegers)
  package static let widening = Widening.isExact

  package init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.relu }) }

  package func fusedActivation(_ context: InferenceContext) -> Activation? {
    Activation(GRAFT_ACTIVATION_CLAMP, 0, .infinity)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0 < 0 ? 0 : $0 }, int64: { max($0, 0) })
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      builder.add(
        "ReluGradient", domain: "graft", [try builder.outputGradient(), try builder.output(0)]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "signs",
        inputs: [.floats([-1, 0, 2, -0.5], [2, 2])],
        outputs: [.floats([0, 0, 2, 0], [2, 2])]),
      OperatorExample(
        "NaN and infinities",
        inputs: [.floats([.nan, -.infinity, .infinity], [3])],
        outputs: [.floats([.nan, 0, .infinity], [3])]),
      OperatorExample(
        "away from the kink",
        inputs: [.floats([-1, 0.5, 2], [3])],
        outputs: [.floats([0, 0.5, 2], [3])], differentiableInputs: [0]),
    ]
  }
}
