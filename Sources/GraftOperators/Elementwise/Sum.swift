import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// The sum of any number of inputs with broadcasting.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Sum.html>
package struct Sum: ArithmeticOperator {
  package static let schema = OperatorSchema(
    "Sum", since: [1, 6, 8, 13], sameSince: 8, inputs: 1...OperatorSchema.unlimited)

  static var elementTypes: Set<ElementType> { .floatingPoint }

  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left + right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &+ right
  }

  static func floatLoops(in table: graft_binary_table) -> graft_binary_f32_rows? { table.add }

  /// dx = dy for each input
  package func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    for index in builder.node.inputs.indices where builder.needs(index) {
      try builder.setBroadcastInputGradient(index, gradient)
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "three inputs",
        inputs: [.floats([3, 0, 2], [3]), .floats([1, 3, 4], [3]), .floats([2, 6, 6], [3])],
        outputs: [.floats([6, 9, 12], [3])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "broadcast",
        inputs: [.floats([1, 2], [2, 1]), .floats([10], []), .floats([0.5, 1], [2])],
        outputs: [.floats([11.5, 12, 12.5, 13], [2, 2])], differentiableInputs: [0, 1, 2]),
    ]
  }
}
