import CGraftKernels
import GraftExecution
import GraftGraph

/// a · b with broadcasting; integers wrap.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Mul.html>
package struct Mul: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "Mul", since: [1, 6, 7, 13, 14], sameSince: 7, inputs: 2...2)
  static let isCommutative = true

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left * right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &* right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.multiply }

  /// da = dy · b, db = dy · a
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    for index in 0...1 where builder.needs(index) {
      try builder.setBroadcastInputGradient(
        index, builder.add("Mul", [gradient, try builder.input(1 - index)]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "row", inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([10, -1], [2])],
        outputs: [.floats([10, -2, 30, -4], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "outer product", inputs: [.floats([1, 2], [2, 1]), .floats([3, 4, 5], [1, 3])],
        outputs: [.floats([3, 4, 5, 6, 8, 10], [2, 3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "integers wrap", inputs: [.integers([.max, -3], [2]), .integers([2], [])],
        outputs: [.integers([-2, -6], [2])]),
    ]
  }
}
