import CGraftKernels
import GraftExecution

/// Whether a > b, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Greater.html>
struct Greater: ComparisonOperator {
  static let schema = OperatorSchema("Greater", since: [1, 7, 9, 13], sameSince: 7, inputs: 2...2)

  @inline(__always)
  static func holds<Element: Comparable>(_ left: Element, _ right: Element) -> Bool {
    left > right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_compare_f32_rows { table.greater }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "broadcast", inputs: [.floats([1, 2, 3], [3]), .floats([2, 3], [2, 1])],
        outputs: [.bools([false, false, true, false, false, false], [2, 3])]),
      OperatorExample(
        "NaN and infinity",
        inputs: [
          .floats([.nan, 1, .infinity, -.infinity], [4]), .floats([1, .nan, .infinity, 0], [4]),
        ],
        outputs: [.bools([false, false, false, false], [4])]),
      OperatorExample(
        "integers beyond the precision of double",
        inputs: [
          .integers([9007199254740993, -1, 5], [3]), .integers([9007199254740992, 0, 5], [3]),
        ],
        outputs: [.bools([true, false, false], [3])]),
    ]
  }
}
