import GraftExecution

/// Whether at least one input is true, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Or.html>
struct Or: LogicalOperator {
  static let schema = OperatorSchema("Or", since: [1, 7], sameSince: 7, inputs: 2...2)
  static let isCommutative = true

  @inline(__always)
  static func apply(_ left: Bool, _ right: Bool) -> Bool { left || right }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "truth table",
        inputs: [.bools([false, true], [2, 1]), .bools([false, true], [2])],
        outputs: [.bools([false, true, true, true], [2, 2])]),
      OperatorExample(
        "scalar", inputs: [.bools([false, true, true], [3]), .bools([true], [])],
        outputs: [.bools([true, true, true], [3])]),
    ]
  }
}
