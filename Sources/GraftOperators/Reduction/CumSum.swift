import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sums of all elements up to each one along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CumSum.html>
struct CumSum: CumulativeOperator {
  static let schema = OperatorSchema("CumSum", since: [11, 14], sameSince: 11, inputs: 2...2)

  let form: CumulativeForm

  static var identity: Int { 0 }

  @inline(__always)
  static func join<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left + right
  }

  @inline(__always)
  static func join<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &+ right
  }

  /// dx is the cumulative sum of dy in the other direction.
  func gradient(_ builder: inout GradientBuilder) throws {
    var attributes = builder.node.attributes
    attributes["reverse"] = .int(form.isReversed ? 0 : 1)
    builder.setInputGradient(
      0,
      builder.add(
        "CumSum", [try builder.outputGradient(), try builder.input(1)], attributes: attributes))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "last axis", inputs: [matrix, .integers([-1], [])],
        outputs: [.floats([1, 3, 6, 4, 9, 15], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "first axis, exclusive", attributes: ["exclusive": .int(1)],
        inputs: [matrix, .integers([0], [])],
        outputs: [.floats([0, 0, 0, 1, 2, 3], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "reversed", attributes: ["reverse": .int(1)], inputs: [matrix, .integers([1], [])],
        outputs: [.floats([6, 5, 3, 15, 11, 6], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "integers, reversed and exclusive", attributes: ["reverse": .int(1), "exclusive": .int(1)],
        inputs: [.integers([1, 2, 3], [3]), .integers([0], [])],
        outputs: [.integers([5, 3, 0], [3])]),
    ]
  }
}
