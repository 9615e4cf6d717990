import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The products of all elements up to each one along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__CumProd.html>
struct CumProd: CumulativeOperator {
  static let schema = OperatorSchema("CumProd", since: [26], inputs: 2...2)

  let form: CumulativeForm

  static var identity: Int { 1 }

  @inline(__always)
  static func join<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left * right
  }

  @inline(__always)
  static func join<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    left &* right
  }

  /// dx = (cumulative sum of dy · y in the other direction) / x; NaN where x is 0
  func gradient(_ builder: inout GradientBuilder) throws {
    let product = builder.add("Mul", [try builder.outputGradient(), try builder.output(0)])
    var attributes = builder.node.attributes
    attributes["reverse"] = .int(form.isReversed ? 0 : 1)
    let sum = builder.add("CumSum", [product, try builder.input(1)], attributes: attributes)
    builder.setInputGradient(0, builder.add("Div", [sum, try builder.input(0)]))
  }

  static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6], [2, 3])
    return [
      OperatorExample(
        "first axis", inputs: [matrix, .integers([0], [])],
        outputs: [.floats([1, 2, 3, 4, 10, 18], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "exclusive", attributes: ["exclusive": .int(1)], inputs: [matrix, .integers([-1], [])],
        outputs: [.floats([1, 1, 2, 1, 4, 20], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "integers, reversed and exclusive", attributes: ["reverse": .int(1), "exclusive": .int(1)],
        inputs: [.integers([1, 2, 3], [3]), .integers([0], [])],
        outputs: [.integers([6, 3, 1], [3])]),
    ]
  }
}
