import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The loss of log-probabilities given the right labels.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>
struct NegativeLogLikelihoodLoss: RealOperator {
  static let schema = OperatorSchema(
    "NegativeLogLikelihoodLoss", since: [12, 13, 22], sameSince: 12, inputs: 2...3)

  let loss: LabelledLoss
  private let attributes: [ByteString: Attribute]

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
          .floats([-1.28, -0.47, -2.31, -1.68, -0.31, -2.54, -0.47, -1.2, -2.59], [3, 3]),
          .integers([2, 0, 1], [3]),
        ],
        outputs: [.floats([1.7299999], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "weights and an ignored label",
        attributes: ["ignore_index": .int(0)],
        inputs: [
          .floats(
            [-1.19, -1.13, -0.74, -1.21, -1.52, -0.97, -1.45, -2.6, -0.47, -0.42, -1.95, -1.3],
            [2, 3, 2]), .integers([2, 0, 1, 1], [2, 2]), .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([1.1616666], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "no reduction",
        attributes: ["reduction": .string("none")],
        inputs: [
          .floats([-1.83, -2.15, -0.32, -2.23, -0.21, -2.49], [2, 3]),
          try! Tensor([2, 0] as [Int32], shape: [2]),
        ],
        outputs: [.floats([0.32, 2.23], [2])],
        differentiableInputs: [0]),
      OperatorExample(
        "sum, a label beyond the classes is ignored",
        attributes: ["reduction": .string("sum"), "ignore_index": .int(-1)],
        inputs: [
          .floats([-0.62, -1.23, -1.76, -0.91, -1.66, -0.9], [2, 3]), .integers([-1, 1], [2]),
          .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([0.83], [])],
        differentiableInputs: [0]),
    ]
  }
}
