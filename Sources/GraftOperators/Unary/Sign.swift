import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// 1 above zero, -1 below, else x: 0, or NaN.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sign.html>
struct Sign: ElementwiseUnary {
  static let schema = OperatorSchema("Sign", since: [9, 13], sameSince: 9, inputs: 1...1)
  static let elementTypes: Set<ElementType> = .realNumbers
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.sign }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(
      floatFunction, double: { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }, int64: { $0.signum() },
      uint64: { $0.signum() })
  }

  /// The derivative is zero almost everywhere: there is no gradient.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "floats",
        inputs: [.floats([-3, 0, 0.25, .nan, -.infinity], [5])],
        outputs: [.floats([-1, 0, 1, .nan, -1], [5])]),
      OperatorExample(
        "integers",
        inputs: [.integers([-9, 0, 4], [3])],
        outputs: [.integers([-1, 0, 1], [3])]),
    ]
  }
}
