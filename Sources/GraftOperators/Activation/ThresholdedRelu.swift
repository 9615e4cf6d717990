import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// y = x for x > alpha, else 0.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ThresholdedRelu.html>
struct ThresholdedRelu: ElementwiseUnary {
  /// Before opset 10 it was experimental.
  static let schema = OperatorSchema(
    "ThresholdedRelu", since: [1, 10, 22], sameSince: 10, inputs: 1...1)
  static let widening = Widening.isExact

  private let alpha: Float

  init(_ attributes: AttributeReader) throws {
    alpha = try attributes.float("alpha", default: 1)
  }

  var floatFunction: FloatFunction? { FloatFunction({ $0.thresholded_relu }, alpha) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let threshold = Double(alpha)
    return try context.unaryKernel(floatFunction, double: { $0 > threshold ? $0 : 0 })
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradient(.select(.x > .number(Double(alpha)), .dy, 0))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default",
        inputs: [.floats([-3, -1, -0.25, 0.5, 2, 4], [6])],
        outputs: [.floats([0, 0, 0, 0, 2, 4], [6])], differentiableInputs: [0]),
      OperatorExample(
        "the threshold itself", attributes: ["alpha": .float(2)],
        inputs: [.floats([1.9, 2, 2.1], [3])],
        outputs: [.floats([0, 0, 2.1], [3])]),
    ]
  }
}
