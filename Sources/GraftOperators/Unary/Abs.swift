import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// y = |x|; the smallest integer is unchanged.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Abs.html>
struct Abs: ElementwiseUnary {
  static let schema = OperatorSchema("Abs", since: [1, 6, 13], sameSince: 1, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .realNumbers
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.absolute }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(
      floatFunction, double: { abs($0) }, int64: { $0 < 0 ? 0 &- $0 : $0 }, uint64: { $0 })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.dy * .sign(.x))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [2, 3])],
        outputs: [.floats([3, 1, 0.25, 0.5, 2, 4], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "integers",
        inputs: [.integers([3, -4, .min], [3])],
        outputs: [.integers([3, 4, .min], [3])]),
    ]
  }
}
