import CGraftKernels
import GraftExecution
import GraftGraph

/// The nearest integer, ties to even.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Round.html>
struct Round: ElementwiseUnary {
  static let schema = OperatorSchema("Round", since: [11, 22], sameSince: 11, inputs: 1...1)
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.round }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0.rounded(.toNearestOrEven) })
  }

  /// The derivative is zero almost everywhere: there is no gradient.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([0.9, 2.5, 2.3, 1.5, -4.5], [5])],
        outputs: [.floats([1, 2, 2, 2, -4], [5])]),
      OperatorExample(
        "integers and special values",
        inputs: [.floats([.nan, -.infinity, 16777215, -1e30], [4])],
        outputs: [.floats([.nan, -.infinity, 16777215, -1e30], [4])]),
    ]
  }
}
