import GraftExecution
import GraftFiles
import GraftGraph

/// Shifts the bits of a by b places to the left or right, with broadcasting; right shifts of signed
/// integers keep the sign. A negative shift, or one by at least the type's width, moves all bits
/// out.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__BitShift.html>
struct BitShift: Operator {
  static let schema = OperatorSchema("BitShift", since: [11, 28], sameSince: 11, inputs: 2...2)
  static let operandCount = 2

  let shiftsLeft: Bool

  init(_ attributes: AttributeReader) throws {
    let direction = try attributes.required("direction", attributes.string("direction"))
    guard direction == "LEFT" || direction == "RIGHT" else {
      throw GraftError.badData(
        "attribute 'direction' is '\(direction)'; expected one of LEFT, RIGHT")
    }
    shiftsLeft = direction == "LEFT"
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .integers)
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(try context.elementType(0), inputs: [0, 1])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    shiftsLeft
      ? try context.integerKernel(LeftShift.self) : try context.integerKernel(RightShift.self)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "left", attributes: ["direction": .string("LEFT")],
        inputs: [.integers([16, 4, 1], [3]), .integers([1, 2, 3], [3])],
        outputs: [.integers([32, 16, 8], [3])]),
      OperatorExample(
        "right, signed", attributes: ["direction": .string("RIGHT")],
        inputs: [.integers([16, -5, -1], [3]), .integers([1], [1])],
        outputs: [.integers([8, -3, -1], [3])]),
      OperatorExample(
        "too far", attributes: ["direction": .string("RIGHT")],
        inputs: [.integers([16, -5], [2, 1]), .integers([64, -1], [2])],
        outputs: [.integers([0, 0, -1, -1], [2, 2])]),
    ]
  }
}

private enum LeftShift: IntegerOperation {
  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    right >= 0 && right < Element.bitWidth ? left &<< right : 0
  }
}

private enum RightShift: IntegerOperation {
  @inline(__always)
  static func apply<Element: FixedWidthInteger>(_ left: Element, _ right: Element) -> Element {
    if right >= 0 && right < Element.bitWidth { return left &>> right }
    return left < 0 ? ~0 : 0
  }
}
