import GraftExecution

/// The bits that are set in exactly one input, with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BitwiseXor.html>
struct BitwiseXor: BitwiseOperator {
  static let schema = OperatorSchema("BitwiseXor", since: [18], inputs: 2...2)

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left ^ right
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "scalar", inputs: [.integers([12, -1, 6], [3]), .integers([10], [])],
        outputs: [.integers([6, -11, 12], [3])]),
      OperatorExample(
        "column and row", inputs: [.integers([5, 3], [2, 1]), .integers([1, 6], [2])],
        outputs: [.integers([4, 3, 2, 5], [2, 2])]),
    ]
  }
}
