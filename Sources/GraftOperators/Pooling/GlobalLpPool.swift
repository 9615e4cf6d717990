import GraftExecution
import GraftFiles
import GraftGraph

/// The p-norm over all spatial axes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html>
struct GlobalLpPool: RealOperator {
  static let schema = OperatorSchema(
    "GlobalLpPool", since: [1, 2, 22], sameSince: 2, inputs: 1...1)
  static let widening = Widening.rounds

  let exponent: Int

  init(_ attributes: AttributeReader) throws { exponent = try attributes.normExponent() }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 2 { try node.makeExponentInteger() }
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.makeExponentFloat()
  }

  func infer(_ context: inout InferenceContext) throws { try GlobalPooling.infer(&context) }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let exponent = exponent
    return try GlobalPooling.kernel(context, Element.self, work: 4096) { plane, count in
      var sum: Element = 0
      for i in 0..<count { sum += plane[i].magnitudePower(exponent) }
      return sum.magnitudeRoot(exponent)
    }
  }

  /// dx = dy · sign(x) |x|^(p-1) y^(1-p)
  func gradient(_ builder: inout GradientBuilder) throws {
    let share = try builder.dividedByNormPower(
      try builder.outputGradient(), norm: try builder.output(0), exponent: exponent)
    let power = try builder.signedPower(try builder.input(0), exponent: exponent)
    builder.setInputGradient(0, builder.add("Mul", [power, share]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "p = 2",
        inputs: [
          .floats(
            [1.18, 0.68, 0.38, -0.56, -1.38, 0.95, 0.97, -0.14, 0.54, 0.78, 0.83, 0.92],
            [1, 2, 2, 3])
        ],
        outputs: [.floats([2.2626753, 1.8427696], [1, 2, 1, 1])],
        differentiableInputs: [0]),
      OperatorExample(
        "p = 3",
        attributes: ["p": .int(3)],
        inputs: [.floats([-0.46, 1.51, -1.25, 0.86, 0.49, 0.87, 1.88, 1.48], [1, 2, 4])],
        outputs: [.floats([1.8300977, 2.2010062], [1, 2, 1])],
        differentiableInputs: [0]),
    ]
  }
}
