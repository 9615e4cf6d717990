import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Whether an element is infinite; attributes select the signs.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__IsInf.html>
struct IsInf: Operator {
  static let schema = OperatorSchema("IsInf", since: [10, 20], sameSince: 10, inputs: 1...1)
  static let operandCount = 1
  static let widening = Widening.isExact

  private let detectsPositive: Bool
  private let detectsNegative: Bool

  init(_ attributes: AttributeReader) throws {
    detectsPositive = try attributes.flag("detect_positive", default: true)
    detectsNegative = try attributes.flag("detect_negative", default: true)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPointAndFloat8)
    context.setOutput(0, .bool, try context.input(0).shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (detectsPositive, detectsNegative) = (detectsPositive, detectsNegative)
    return try context.testKernel(
      float: { $0.isInfinite && ($0 > 0 ? detectsPositive : detectsNegative) },
      double: { $0.isInfinite && ($0 > 0 ? detectsPositive : detectsNegative) })
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "both signs", inputs: [.floats([-1.2, .nan, .infinity, 2.8, -.infinity], [5])],
        outputs: [.bools([false, false, true, false, true], [5])]),
      OperatorExample(
        "negative only", attributes: ["detect_positive": .int(0)],
        inputs: [.floats([-1.7, .nan, .infinity, -3.6, -.infinity], [5, 1])],
        outputs: [.bools([false, false, false, false, true], [5, 1])]),
    ]
  }
}
