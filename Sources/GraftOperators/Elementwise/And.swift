import GraftExecution

/// Whether both inputs are true, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__And.html>
struct And: LogicalOperator {
  static let schema = OperatorSchema("And", since: [1, 7], sameSince: 7, inputs: 2...2)
  static let isCommutative = true

  @inline(__always)
  static func apply(_ left: Bool, _ right: Bool) -> Bool { left && right }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "truth table",
        inputs: [.bools([false, true], [2, 1]), .bools([false, true], [2])],
        outputs: [.bools([false, false, false, true], [2, 2])]),
      OperatorExample(
        "scalar", inputs: [.bools([false, true, true], [3]), .bools([true], [])],
        outputs: [.bools([false, true, true], [3])]),
    ]
  }
}
