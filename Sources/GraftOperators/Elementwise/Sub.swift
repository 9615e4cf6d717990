import CGraftKernels
import GraftExecution
import GraftGraph

/// a - b with broadcasting; integers wrap.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sub.html>
package struct Sub: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "Sub", since: [1, 6, 7, 13, 14], sameSince: 7, inputs: 2...2)

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left - right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &- right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.subtract }

  /// da = dy, db = -dy
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    if builder.needs(0) { try builder.setBroadcastInputGradient(0, gradient) }
    if builder.needs(1) {
      try builder.setBroadcastInputGradient(1, builder.add("Neg", [gradient]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "scalar on the left", inputs: [.floats([1], []), .floats([0.5, 2, -3], [3])],
        outputs: [.floats([0.5, -1, 4], [3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "middle axis",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), .floats([1, 2, 3, 4], [2, 1, 2]),
        ],
        outputs: [.floats([0, 0, 2, 2, 2, 2, 4, 4], [2, 2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "integers wrap", inputs: [.integers([.min, 1], [2]), .integers([1, 3], [2])],
        outputs: [.integers([.max, -2], [2])]),
    ]
  }
}
