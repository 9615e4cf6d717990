import CGraftKernels
import GraftExecution
import GraftGraph

/// The largest of any number of inputs with broadcasting; NaN wins.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Max.html>
struct Max: ArithmeticOperator {
  static let schema = OperatorSchema(
    "Max", since: [1, 6, 8, 12, 13], sameSince: 8, inputs: 1...OperatorSchema.unlimited)
  static let widening = Widening.isExact

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left > right || left != left ? left : right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    max(left, right)
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.maximum }

  func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setGradientsOfSelectedInputs()
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two inputs", inputs: [.floats([3, 2, 1, -1], [2, 2]), .floats([0, 1.5], [2])],
        outputs: [.floats([3, 2, 1, 1.5], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "the first two narrower than the third",
        inputs: [.integers([1, 2], [2, 1]), .integers([0], [1]), .integers([0, 3, 1], [3])],
        outputs: [.integers([1, 3, 1, 2, 3, 2], [2, 3])]),
      OperatorExample(
        "NaN", inputs: [.floats([1, .nan, 3], [3]), .floats([2, 0, .nan], [3])],
        outputs: [.floats([2, .nan, .nan], [3])]),
    ]
  }
}
