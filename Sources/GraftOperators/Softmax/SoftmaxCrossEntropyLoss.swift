import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The loss of scores given the right labels: NegativeLogLikelihoodLoss of LogSoftmax over the
/// classes.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>
struct SoftmaxCrossEntropyLoss: RealOperator {
  static let schema = OperatorSchema(
    "SoftmaxCrossEntropyLoss", since: [12, 13], sameSince: 12, inputs: 2...3, outputs: 1...2)

  let loss: LabelledLoss
  private let attributes: [ByteString: Attribute]

  init(_ attributes: AttributeReader) throws {
    loss = try LabelledLoss(attributes)
    self.attributes = attributes.attributes
  }

  func infer(_ context: inout InferenceContext) throws {
    let scores = try context.input(0)
    context.setOutput(0, scores.elementType, loss.reduction == .none ? nil : [])
    context.setOutput(1, scores.elementType, scores.shape)
    context.setOutput(0, scores.elementType, try loss.infer(&context))
  }

  /// Log-probabilities go to output 1, or to scratch if that is not used.
  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try context.withWideLabels(1) { context in
      let scores = try context.input(0)
      let hasLogProbabilities = context.hasOutput(1)
      /// Log-probabilities `[N, C, D1, …]`.
      @Sendable func place(_ arguments: KernelArguments) -> UnsafeMutablePointer<Element>? {
        if hasLogProbabilities { return arguments.output(1, as: Element.self) }
        return arguments.scratch?.assumingMemoryBound(to: Element.self)
      }
      let softmax = SoftmaxKernel(
        layout: try AxisLayout(scores.shape, axis: 1), isLogarithm: true,
        instructionSet: context.instructionSet)
      var phases = [
        PreparedKernel.Phase.parallel(count: softmax.layout.columnCount, grain: softmax.grain) {
          arguments, columns in
          guard let logProbabilities = place(arguments) else { return }
          softmax.run(columns, arguments.input(0, as: Element.self), logProbabilities)
        }
      ]
      if context.hasOutput(0) {
        phases += try loss.phases(context, Element.self) { arguments in
          place(arguments).map { UnsafePointer($0) }
        }
      }
      return PreparedKernel(
        phases: phases,
        scratchByteCount: hasLogProbabilities
          ? 0 : scores.elementCount * MemoryLayout<Element>.stride)
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard !builder.needs(2) else {
      throw GraftError.unsupported("the class weights of a loss have no gradient")
    }
    let outputGradients = builder.outputGradients
    let logProbabilities = builder.add(
      "LogSoftmax", [try builder.input(0)], attributes: ["axis": .int(1)])
    var gradient: ValueID? = outputGradients.count > 1 ? outputGradients[1] : nil
    if let lossGradient = outputGradients.first ?? nil {
      let ofLoss = builder.add(
        "NegativeLogLikelihoodLossGradient", domain: "graft",
        [lossGradient, logProbabilities] + builder.node.inputs.dropFirst(),
        attributes: attributes)
      gradient = gradient.map { builder.add("Add", [$0, ofLoss]) } ?? ofLoss
    }
    guard let gradient else { return }
    builder.setInputGradient(
      0, try builder.logSoftmaxGradient(gradient, output: logProbabilities, axis: 1))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "mean",
        inputs: [
          .floats([-0.05, -1.09, -0.1, 0.05, 0.96, -0.91, -0.04, -1.72, 0.65], [3, 3]),
          .integers([2, 0, 1], [3]),
        ],
        outputs: [.floats([1.6914625], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "weights and an ignored label",
        attributes: ["ignore_index": .int(0)],
        inputs: [
          .floats(
            [-1.08, -1.81, -0.06, 1.11, -1.52, -1.09, -0.74, -1.13, 0.38, -0.81, -0.72, 0.58],
            [2, 3, 2]), .integers([2, 0, 1, 1], [2, 2]), .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([1.6593318], [])],
        differentiableInputs: [0]),
      OperatorExample(
        "no reduction",
        attributes: ["reduction": .string("none")],
        inputs: [
          .floats([-0.76, 0.43, -0.97, -1.21, -1.84, 1.86], [2, 3]),
          try! Tensor([2, 0] as [Int32], shape: [2]),
        ],
        outputs: [
          .floats([1.8387828, 3.1387281], [2]),
          .floats(
            [-1.6287827, -0.43878266, -1.8387828, -3.1387281, -3.768728, -0.06872789], [2, 3]),
        ],
        differentiableInputs: [0]),
      OperatorExample(
        "sum, a label beyond the classes is ignored",
        attributes: ["reduction": .string("sum"), "ignore_index": .int(-1)],
        inputs: [
          .floats([-0.32, 0.24, -0.03, 0.16, 0.05, 1.91], [2, 3]), .integers([-1, 1], [2]),
          .floats([1, 0.5, 2], [3]),
        ],
        outputs: [.floats([1.0723814], [])],
        differentiableInputs: [0]),
    ]
  }
}
