/// x - log Σ exp(x) along an axis.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LogSoftmax.html>
struct LogSoftmax: RealOperator {
  static let schema = OperatorSchema("LogSoftmax", since: [1, 11, 13], inputs: 1...1)

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
    try SoftmaxKernel.prepare(context, axis: axis, isLogarithm: true, Element.self)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    builder.setInputGradient(
      0,
      try builder.logSoftmaxGradient(
        try builder.outputGradient(), output: try builder.output(0), axis: axis))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis",
        inputs: [.floats([0.51, -0.13, -0.39, -0.34, -1.3, -1.44], [2, 3])],
        outputs: [
          .floats(
            [-0.65951914, -1.2995191, -1.559519, -0.5398584, -1.4998584, -1.6398585], [2, 3])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "middle axis",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats(
            [0.79, -0.19, 0.22, 1, -1.73, -0.78, 0.18, 0.39, -0.38, 1.03, 0.21, -1.21], [2, 3, 2])
        ],
        outputs: [
          .floats(
            [
              -0.498339, -1.5772057, -1.0683391, -0.38720566, -3.018339, -2.1672056, -0.95615107,
              -1.1308786, -1.5161511, -0.4908786, -0.9261511, -2.7308786,
            ], [2, 3, 2])
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "large numbers",
        inputs: [.floats([1000, 1001, 999, -10000, 0, -10000], [2, 3])],
        outputs: [.floats([-1.4076059, -0.40760595, -2.407606, -10000, 0, -10000], [2, 3])]),
    ]
  }
}

extension GradientBuilder {
  /// dy - exp(y) Σ dy
  mutating func logSoftmaxGradient(
    _ gradient: ValueID, output: ValueID, axis: Int
  ) throws -> ValueID {
    let sum = add("ReduceSum", [gradient, try addAxes([axis])])
    return add("Sub", [gradient, add("Mul", [add("Exp", [output]), sum])])
  }
}
