import CGraftKernels
import GraftExecution
import GraftGraph

/// The smallest of any number of inputs with broadcasting; NaN wins.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Min.html>
struct Min: ArithmeticOperator {
  static let schema = OperatorSchema(
    "Min", since: [1, 6, 8, 12, 13], sameSince: 8, inputs: 1...OperatorSchema.unlimited)
  static let widening = Widening.isExact

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left < right || left != left ? left : right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    min(left, right)
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.minimum }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradientsOfSelectedInputs()
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three inputs",
        inputs: [.floats([3, 2, 1], [3]), .floats([1, 4, 4], [3]), .floats([2, 5, 0], [3])],
        outputs: [.floats([1, 2, 0], [3])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "broadcast, NaN", inputs: [.floats([1, .nan, 3], [3]), .floats([2, .nan], [2, 1])],
        outputs: [.floats([1, .nan, 2, .nan, .nan, .nan], [2, 3])]),
      OperatorExample(
        "one input", inputs: [.integers([3, 2], [2])], outputs: [.integers([3, 2], [2])]),
    ]
  }
}
