/// The loss of log-probabilities given the right labels.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>
struct NegativeLogLikelihoodLoss: RealOperator {
  static let schema = OperatorSchema(
    "NegativeLogLikelihoodLoss", since: [12, 13, 22], sameSince: 12, inputs: 2...3)

  let loss: LabelledLoss
  private let attributes: [String: Attribute]

  init(_ attributes: AttributeReader) throws {
    loss = try LabelledLoss(attributes)
    self.attributes = attributes.attributes
  }

  func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, loss.reduction == .none ? nil : [])
    context.setOutput(0, elementType, try loss.infer(&context))
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try context.withWideLabels(1) { context in
      PreparedKernel(
        phases: try loss.phases(context, Element.self) { $0.input(0, as: Element.self) })
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard !builder.needs(2) else {
      throw GraftError.unsupported("the class weights of a loss have no gradient")
    }
    builder.setInputGradient(
      0,
      builder.add(
        "NegativeLogLikelihoodLossGradient", domain: "graft",
        [try builder.outputGradient()] + builder.node.inputs, attributes: attributes))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "mean",
        inputs: [
          .floats([-0.32, -2.04, -1.96, -3.75, -0.09, -2.8, -0.3, -2.53, -1.72], [3, 3]),
          .integers([2, 0, 1], [3]),
        ],
        outputs: [.floats([2.7466667], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "weights and an ignored label",
        attributes: ["ignore_index": .int(0)],
        inputs: [
          .floats(
            [-3.43, -1.25, -0.77, -2.11, -0.68, -0.53, -1.49, -1.19, -0.91, -0.74, -0.99, -1.52],
            [2, 3, 2]), .integers([2, 0, 1, 1], [2, 2]), .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([0.7283333], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "no reduction",
        attributes: ["reduction": .string("none")],
        inputs: [
          .floats([-0.62, -1.34, -1.61, -1.33, -0.39, -2.81], [2, 3]),
          try! Tensor([2, 0] as [Int32], shape: [2]),
        ],
        outputs: [.floats([1.61, 1.33], [2])],
        differentiableInputs: [0]),
      OperatorExample(
        "sum, a label beyond the classes is ignored",
        attributes: ["reduction": .string("sum"), "ignore_index": .int(-1)],
        inputs: [
          .floats([-0.64, -1.29, -1.62, -1.15, -2.52, -0.51], [2, 3]), .integers([-1, 1], [2]),
          .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([1.26], [])],
        differentiableInputs: [0]),
    ]
  }
}
