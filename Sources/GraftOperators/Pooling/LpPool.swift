import GraftExecution
import GraftFiles
import GraftGraph

/// The p-norm of each window.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LpPool.html>
struct LpPool: RealOperator {
  static let schema = OperatorSchema(
    "LpPool", since: [1, 2, 11, 18, 22], sameSince: 18, inputs: 1...1)
  static let widening = Widening.rounds
  static let isLaborious = true

  let window: PoolingWindow
  let exponent: Int
  private let attributes: [ByteString: Attribute]

  init(_ attributes: AttributeReader) throws {
    window = try PoolingWindow(attributes)
    exponent = try attributes.normExponent()
    self.attributes = attributes.attributes
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 2 { try node.makeExponentInteger() }
  }

  static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.dropDilationsOfOne()
    if opset < 2 { try node.makeExponentFloat() }
  }

  func infer(_ context: inout InferenceContext) throws {
    try window.infer(&context, .floatingPoint)
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let geometry = try PoolGeometry(window, inputShape: context.input(0).shape)
    let exponent = exponent
    return PreparedKernel.parallel(count: geometry.planeCount, grain: geometry.grain(work: 4096)) {
      arguments, planes in
      let x = arguments.input(0, as: Element.self)
      let y = arguments.output(0, as: Element.self)
      for plane in planes {
        let x = x + plane * geometry.inputCount
        let y = y + plane * geometry.outputCount
        geometry.forEachWindow { index, window in
          var sum: Element = 0
          window.forEachTap { sum += x[$0].magnitudePower(exponent) }
          y[index] = sum.magnitudeRoot(exponent)
        }
      }
    }
  }

  /// dx = sign(x) |x|^(p-1) · Σ over the windows with x of dy y^(1-p)
  func gradient(_ builder: inout GradientBuilder) throws {
    let x = try builder.input(0)
    let y = try builder.output(0)
    let share = try builder.dividedByNormPower(
      try builder.outputGradient(), norm: y, exponent: exponent)
    var attributes = attributes
    attributes["p"] = nil
    attributes["is_sum"] = .int(1)
    let shape = builder.add("Shape", [x])
    let spread = builder.add(
      "AveragePoolGradient", domain: "graft", [share, shape], attributes: attributes)
    builder.setInputGradient(
      0, builder.add("Mul", [spread, try builder.signedPower(x, exponent: exponent)]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "p = 2, padding",
        attributes: [
          "kernel_shape": .ints([2, 2]), "strides": .ints([2, 2]), "pads": .ints([1, 1, 0, 0]),
        ],
        inputs: [
          .floats([-0.08, 0.04, -1.05, 0.26, -0.86, 0.97, 0.19, 0.09, -0.59], [1, 1, 3, 3])
        ],
        outputs: [.floats([0.08, 1.0507616, 0.32202485, 1.42713], [1, 1, 2, 2])],
        differentiableInputs: [0]),
      OperatorExample(
        "p = 3, overlapping",
        attributes: ["kernel_shape": .ints([2]), "p": .int(3)],
        inputs: [.floats([-0.12, -2, -1.13, 0.36, -2.13, 0.85, -1.75, 0.76], [1, 2, 4])],
        outputs: [
          .floats([2.000144, 2.1136599, 1.1420505, 2.1741974, 1.8144414, 1.7965316], [1, 2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "p = 1, dilated, ceil_mode",
        attributes: [
          "kernel_shape": .ints([2]), "p": .int(1), "dilations": .ints([2]), "strides": .ints([3]),
          "ceil_mode": .int(1),
        ],
        inputs: [.floats([-0.85, 0.78, 0.13, -1.54, 1.25, 1.44], [1, 1, 6])],
        outputs: [.floats([0.98, 2.98], [1, 1, 2])],
        differentiableInputs: [0]),
    ]
  }
}
