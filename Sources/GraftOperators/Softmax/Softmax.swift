/// exp(x) / Σ exp(x) along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Softmax.html>
struct Softmax: RealOperator {
  static let schema = OperatorSchema("Softmax", since: [1, 11, 13], inputs: 1...1)

  let axis: Int

  init(_ attributes: AttributeReader) throws { axis = try attributes.int("axis", default: -1) }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 13 { try node.coerceToMatrix(in: &context) }
  }

  func infer(_ context: inout InferenceContext) throws { try context.inferAlongAxis(axis) }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try SoftmaxKernel.prepare(context, axis: axis, isLogarithm: false, Element.self)
  }

  /// dx = y (dy - Σ dy y)
  func gradient(_ builder: inout GradientBuilder) throws {
    let y = try builder.output(0)
    let gradient = try builder.outputGradient()
    let axes = try builder.addAxes([axis])
    let sum = builder.add("ReduceSum", [builder.add("Mul", [gradient, y]), axes])
    builder.setInputGradient(0, builder.add("Mul", [y, builder.add("Sub", [gradient, sum])]))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis",
        inputs: [.floats([-0.15, -1.71, -0.37, -0.68, 0.64, 2.26], [2, 3])],
        outputs: [
          .floats([0.49685618, 0.1044074, 0.39873642, 0.042266734, 0.1582222, 0.7995111], [2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats(
            [0.22, -0.78, -1.17, -0.06, -0.18, -1.15, 0.12, -1.15, 1.11, 1.06, 1.08, -0.47],
            [2, 3, 2])
        ],
        outputs: [
          .floats(
            [
              0.5209974, 0.26701078, 0.1297676, 0.5485558, 0.349235, 0.18443349, 0.15865636,
              0.08271576, 0.42698145, 0.7540134, 0.41436225, 0.1632708,
            ], [2, 3, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "large numbers",
        inputs: [.floats([1000, 1001, 999, -10000, 0, -10000], [2, 3])],
        outputs: [.floats([0.24472846, 0.66524094, 0.09003057, 0, 1, 0], [2, 3])]),
    ]
  }
}
