import GraftExecution
import GraftFiles
import GraftGraph

/// The position of the smallest element along an axis: the first of several, or the last.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ArgMin.html>
struct ArgMin: ArgReduceOperator {
  typealias Selected = Minimum

  static let schema = OperatorSchema(
    "ArgMin", since: [1, 11, 12, 13], sameSince: 12, inputs: 1...1)
  static let widening = Widening.isExact

  let form: ArgReductionForm

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default axis", inputs: [.floats([2, 1, 2, 3, 10, 10], [2, 3])],
        outputs: [.integers([0, 0, 0], [1, 3])]),
      OperatorExample(
        "negative axis, dropped", attributes: ["axis": .int(-1), "keepdims": .int(0)],
        inputs: [.floats([2, 1, 2, 3, 10, 10], [2, 3])],
        outputs: [.integers([1, 0], [2])]),
      OperatorExample(
        "last index", attributes: ["keepdims": .int(0), "select_last_index": .int(1)],
        inputs: [.floats([1, 1, 4, 0, 4, 1, 0, 0], [4, 2])],
        outputs: [.integers([3, 3], [2])]),
      OperatorExample(
        "NaN", attributes: ["axis": .int(1), "keepdims": .int(0)],
        inputs: [.floats([1, .nan, 3, .nan, .nan, 0], [2, 3])],
        outputs: [.integers([1, 0], [2])]),
    ]
  }
}
