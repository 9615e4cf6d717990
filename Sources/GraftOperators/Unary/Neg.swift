import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// y = -x; the smallest integer is its own negative.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Neg.html>
struct Neg: ElementwiseUnary {
  static let schema = OperatorSchema("Neg", since: [1, 6, 13], sameSince: 1, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .realNumbers.subtracting(.unsignedIntegers)
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.negate }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { -$0 }, int64: { 0 &- $0 })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(-.dy)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [.floats([3, 1, 0.25, -0.5, -2, -4], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "integers",
        inputs: [.integers([3, -4, .min], [3])],
        outputs: [.integers([-3, 4, .min], [3])]),
    ]
  }
}
