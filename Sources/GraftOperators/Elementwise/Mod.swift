import GraftExecution
import GraftFiles
import GraftGraph

/// The remainder of a / b with broadcasting: with the sign of b, or with that of a if `fmod` is 1.
/// For integers a zero in b is an error.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Mod.html>
struct Mod: Operator {
  static let schema = OperatorSchema("Mod", since: [10, 13, 28], sameSince: 10, inputs: 2...2)
  static let operandCount = 2
  static let widening = Widening.rounds

  let truncates: Bool

  init(_ attributes: AttributeReader) throws {
    truncates = try attributes.flag("fmod")
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .realNumbers)
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(try context.elementType(0), inputs: [0, 1])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    truncates
      ? try context.arithmeticKernel(TruncatedRemainder.self)
      : try context.arithmeticKernel(FlooredRemainder.self)
  }

  /// da = dy, db = -dy · q, where q is the rounded quotient
  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    if builder.needs(0) { try builder.setBroadcastInputGradient(0, gradient) }
    if builder.needs(1) {
      let multiple = builder.add("Sub", [try builder.input(0), try builder.output(0)])
      let quotient = builder.add("Round", [builder.add("Div", [multiple, try builder.input(1)])])
      let product = builder.add("Mul", [gradient, quotient])
      try builder.setBroadcastInputGradient(1, builder.add("Neg", [product]))
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "sign of the divisor",
        inputs: [
          .floats([-4.25, 7, 5, 4.25, -7, 8], [6]), .floats([2, -3.5, 8, -2, 3.5, 5], [6]),
        ],
        outputs: [.floats([1.75, -0.0, 5, -1.75, 0, 3], [6])]),
      OperatorExample(
        "sign of the dividend", attributes: ["fmod": .int(1)],
        inputs: [.floats([-4.25, 7.25, 5, 4.25], [2, 2]), .floats([2, -3.5], [2])],
        outputs: [.floats([-0.25, 0.25, 1, 0.75], [2, 2])], differentiableInputs: [0, 1]),
      OperatorExample(
        "special values",
        inputs: [
          .floats([-3, 3, -1, 1, .infinity, 1], [6]),
          .floats([.infinity, .infinity, -.infinity, -.infinity, 2, 0], [6]),
        ],
        outputs: [.floats([.infinity, 3, -1, -.infinity, .nan, .nan], [6])]),
      OperatorExample(
        "integers",
        inputs: [.integers([-4, 7, 5, 4, -7, .min], [6]), .integers([2, -3, 8, -2, 3, -1], [6])],
        outputs: [.integers([0, -2, 5, 0, 2, 0], [6])]),
      OperatorExample(
        "integers, sign of the dividend", attributes: ["fmod": .int(1)],
        inputs: [.integers([-4, 7, 5, 4, -7, 8], [6]), .integers([2, -3, 8, -2, 3, 5], [6])],
        outputs: [.integers([0, 1, 5, 0, -1, 3], [6])]),
    ]
  }
}

private enum TruncatedRemainder: ArithmeticOperation {
  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    left.truncatingRemainder(dividingBy: right)
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(
    _ left: Element, _ right: Element
  ) throws -> Element {
    guard right != 0 else { throw GraftError.badData("divides the integer \(left) by zero") }
    return left.remainderReportingOverflow(dividingBy: right).partialValue
  }
}

private enum FlooredRemainder: ArithmeticOperation {
  @inline(__always)
  static func apply<Element: BinaryFloatingPoint>(_ left: Element, _ right: Element) -> Element {
    let remainder = left.truncatingRemainder(dividingBy: right)
    if remainder == 0 { return Element(signOf: right, magnitudeOf: 0) }
    return (remainder < 0) == (right < 0) ? remainder : remainder + right
  }

  @inline(__always)
  static func apply<Element: FixedWidthInteger>(
    _ left: Element, _ right: Element
  ) throws -> Element {
    let remainder = try TruncatedRemainder.apply(left, right)
    return remainder == 0 || (remainder < 0) == (right < 0) ? remainder : remainder &+ right
  }
}
