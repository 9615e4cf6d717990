import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of NegativeLogLikelihoodLoss: -gradient · weight at each label, 0 elsewhere.
///
/// Inputs: the gradient of the loss, then the inputs of NegativeLogLikelihoodLoss. Attributes:
/// those of NegativeLogLikelihoodLoss. Output: the gradient of the log-probabilities.
struct NegativeLogLikelihoodLossGradient: RealOperator {
  static let schema = OperatorSchema(
    "NegativeLogLikelihoodLossGradient", domain: "graft", since: [1], inputs: 3...4)

  let loss: LabelledLoss

  init(_ attributes: AttributeReader) throws { loss = try LabelledLoss(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.requireSameElementType([0, 1])
    let lossShape = try loss.infer(&context, first: 1)
    try context.requireShapeAgrees(0, lossShape)
  }

  /// First the sum of the weights (for the mean), in scratch; then the gradients.
  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    try context.withWideLabels(2) { context in
      let samples = try loss.samples(context, first: 1, Element.self)
      let reduction = loss.reduction
      let count = samples.layout.columnCount
      let totals = PreparedKernel.Phase(taskCount: 1) { arguments, _ in
        guard let total = arguments.scratch?.assumingMemoryBound(to: Double.self) else { return }
        let labels = arguments.input(2, as: Int64.self)
        let weights = samples.hasWeights ? arguments.input(3, as: Element.self) : nil
        var sum = 0.0
        for sample in 0..<count {
          guard let label = try samples.label(labels, sample) else { continue }
          sum += Double(weights?[label] ?? 1)
        }
        total.pointee = sum
      }
      let gradients = PreparedKernel.Phase.parallel(
        count: count, grain: max(1, 16384 / max(1, samples.layout.length))
      ) { arguments, range in
        guard let total = arguments.scratch?.assumingMemoryBound(to: Double.self) else { return }
        let lossGradient = arguments.input(0, as: Element.self)
        let labels = arguments.input(2, as: Int64.self)
        let weights = samples.hasWeights ? arguments.input(3, as: Element.self) : nil
        let gradient = arguments.output(0, as: Element.self)
        let divisor = reduction == .mean ? Element(total.pointee) : 1
        for sample in range {
          for label in 0..<samples.layout.length { gradient[samples.place(sample, label)] = 0 }
          guard let label = try samples.label(labels, sample) else { continue }
          gradient[samples.place(sample, label)] =
            -lossGradient[reduction == .none ? sample : 0] * (weights?[label] ?? 1) / divisor
        }
      }
      return PreparedKernel(
        phases: reduction == .mean ? [totals, gradients] : [gradients],
        scratchByteCount: MemoryLayout<Double>.stride)
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "weighted mean with an ignored label",
        attributes: ["ignore_index": .int(0)],
        inputs: [
          .floats([2], []),
          .floats(
            [-2.08, -2.57, -2.05, -2.34, -0.29, -0.19, -1.1, -3.18, -0.49, -0.39, -2.95, -1.26],
            [2, 3, 2]), .integers([2, 0, 1, 1], [2, 2]), .floats([1, 0.5, 2], [3]),
        ],
        outputs: [
          .floats([0, 0, 0, 0, -1.3333334, 0, 0, 0, -0.33333334, -0.33333334, 0, 0], [2, 3, 2])
        ]),
      OperatorExample(
        "no reduction",
        attributes: ["reduction": .string("none")],
        inputs: [
          .floats([1, -3], [2]), .floats([-2.33, -0.22, -2.33, -0.59, -1.81, -1.28], [2, 3]),
          try! Tensor([2, 0] as [Int32], shape: [2]),
        ],
        outputs: [.floats([0, 0, -1, 3, 0, 0], [2, 3])]),
    ]
  }
}
