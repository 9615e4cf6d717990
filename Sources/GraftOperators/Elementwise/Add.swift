import CGraftKernels
import GraftExecution
import GraftGraph

/// a + b with broadcasting; integers wrap.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Add.html>
package struct Add: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "Add", since: [1, 6, 7, 13, 14], sameSince: 7, inputs: 2...2)
  static let isCommutative = true

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left + right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &+ right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.add }

  /// da = dy, db = dy
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    for index in 0...1 where builder.needs(index) {
      try builder.setBroadcastInputGradient(index, gradient)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "same shape",
        inputs: [.floats([1, -2, 3, 0.5], [2, 2]), .floats([10, 20, 30, 40], [2, 2])],
        outputs: [.floats([11, 18, 33, 40.5], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "column and row",
        inputs: [.floats([1, 2], [2, 1]), .floats([10, 20, 30], [3])],
        outputs: [.floats([11, 21, 31, 12, 22, 32], [2, 3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "empty", inputs: [.floats([], [0, 2]), .floats([1, 2], [2])],
        outputs: [.floats([], [0, 2])]),
      OperatorExample(
        "integers wrap", inputs: [.integers([.max, 1], [2]), .integers([1], [1])],
        outputs: [.integers([.min, 2], [2])]),
    ]
  }
}
