import CGraftKernels
import GraftExecution

/// Whether a < b, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Less.html>
struct Less: ComparisonOperator {
  static let schema = OperatorSchema("Less", since: [1, 7, 9, 13], sameSince: 7, inputs: 2...2)

  @inline(__always)
  static func holds<Element: Comparable>(_ left: Element, _ right: Element) -> Bool {
    left < right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_compare_f32_rows { table.less }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "broadcast", inputs: [.floats([1, 2, 3], [3]), .floats([2, 3], [2, 1])],
        outputs: [.bools([true, false, false, true, true, false], [2, 3])]),
      OperatorExample(
        "NaN and infinity",
        inputs: [
          .floats([.nan, 1, .infinity, -.infinity], [4]), .floats([1, .nan, .infinity, 0], [4]),
        ],
        outputs: [.bools([false, false, false, true], [4])]),
      OperatorExample(
        "integers beyond the precision of double",
        inputs: [
          .integers([9007199254740993, -1, 5], [3]), .integers([9007199254740992, 0, 5], [3]),
        ],
        outputs: [.bools([false, true, false], [3])]),
    ]
  }
}
