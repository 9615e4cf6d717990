import CGraftKernels
import GraftExecution
import GraftGraph

/// The largest integer not above x.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Floor.html>
struct Floor: ElementwiseUnary {
  static let schema = OperatorSchema("Floor", since: [1, 6, 13], sameSince: 1, inputs: 1...1)
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  var floatFunction: FloatFunction? { FloatFunction({ $0.floor }) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.unaryKernel(floatFunction, double: { $0.rounded(.down) })
  }

  /// The derivative is zero almost everywhere: there is no gradient.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "values",
        inputs: [.floats([-1.5, 1.2, 2, -0.5], [4])],
        outputs: [.floats([-2, 1, 2, -1], [4])]),
      OperatorExample(
        "integers and special values",
        inputs: [.floats([.nan, -.infinity, 16777215, -1e30], [4])],
        outputs: [.floats([.nan, -.infinity, 16777215, -1e30], [4])]),
    ]
  }
}
