import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// a / b with broadcasting. Integers round toward zero, and dividing them by zero is an error.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Div.html>
package struct Div: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "Div", since: [1, 6, 7, 13, 14], sameSince: 7, inputs: 2...2)

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left / right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(
    _ left: Element, _ right: Element
  ) throws -> Element {
    guard right != 0 else { throw GraftError.badData("divides the integer \(left) by zero") }
    return left.dividedReportingOverflow(by: right).partialValue
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.divide }

  /// da = dy / b, db = -dy · y / b
  package func gradient(_ builder: inout GradientBuilder) throws {
    let quotient = builder.add("Div", [try builder.outputGradient(), try builder.input(1)])
    if builder.needs(0) { try builder.setBroadcastInputGradient(0, quotient) }
    if builder.needs(1) {
      let product = builder.add("Mul", [quotient, try builder.output(0)])
      try builder.setBroadcastInputGradient(1, builder.add("Neg", [product]))
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "scalar on the right", inputs: [.floats([1, -2, 3], [3]), .floats([4], [1])],
        outputs: [.floats([0.25, -0.5, 0.75], [3])], differentiableInputs: [0, 1]),
      OperatorExample(
        "column", inputs: [.floats([1, 2, 3, 4], [2, 2]), .floats([2, -4], [2, 1])],
        outputs: [.floats([0.5, 1, -0.75, -1], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "by zero", inputs: [.floats([1, -1, 0], [3]), .floats([0], [])],
        outputs: [.floats([.infinity, -.infinity, .nan], [3])]),
      OperatorExample(
        "integers round toward zero",
        inputs: [.integers([-7, 7, -7, .min], [4]), .integers([2, -2, -2, -1], [4])],
        outputs: [.integers([-3, -3, 3, .min], [4])]),
    ]
  }
}
