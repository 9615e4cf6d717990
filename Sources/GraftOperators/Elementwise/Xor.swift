import GraftExecution

/// Whether exactly one input is true, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Xor.html>
struct Xor: LogicalOperator {
  static let schema = OperatorSchema("Xor", since: [1, 7], sameSince: 7, inputs: 2...2)
  static let isCommutative = true

  @inline(__always)
  static func apply(_ left: Bool, _ right: Bool) -> Bool { left != right }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "truth table",
        inputs: [.bools([false, true], [2, 1]), .bools([false, true], [2])],
        outputs: [.bools([false, true, true, false], [2, 2])]),
      OperatorExample(
        "scalar", inputs: [.bools([false, true, true], [3]), .bools([true], [])],
        outputs: [.bools([true, false, false], [3])]),
    ]
  }
}
