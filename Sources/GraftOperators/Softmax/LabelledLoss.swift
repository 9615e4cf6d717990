import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The common part of NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: the loss of
/// log-probabilities `[N, C, D1, …]` given labels `[N, D1, …]` (int32 or int64) and, optionally,
/// weights `[C]`.
///
/// The loss of one sample is -log p(label) · weight(label). `mean` divides the sum by the sum of
/// the weights of all counted samples. The inputs are scores or log-probabilities, labels and
/// weights, in this order.
struct LabelledLoss: Sendable {
  enum Reduction: String, CaseIterable, Sendable {
    case none
    case mean
    case sum
  }

  let reduction: Reduction
  /// Samples with this label do not count.
  let ignoredLabel: Int?

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "reduction", default: "mean", of: Reduction.allCases.map(\.rawValue))
    reduction = Reduction(rawValue: name) ?? .mean
    ignoredLabel = try attributes.int("ignore_index")
  }

  /// Checks the inputs from index `first` on and returns the shape of the loss.
  func infer(_ context: inout InferenceContext, first: Int = 0) throws -> [Dimension] {
    try context.require(first, .floatingPoint)
    try context.require(first + 1, [.int32, .int64])
    try context.requireSameElementType([first, first + 2])
    try context.requireRank(first, atLeast: 2)
    let shape = try context.shape(first)
    let samples = [shape[0]] + shape[2...]
    try context.requireShapeAgrees(first + 1, samples)
    try context.requireShapeAgrees(first + 2, [shape[1]])
    return reduction == .none ? samples : []
  }

  /// The layout of the tensors, and the label and weight of each sample.
  struct Samples<Element: RealElement>: Sendable {
    let layout: AxisLayout
    let ignoredLabel: Int?
    let hasWeights: Bool

    /// The label of a sample; `nil` if it does not count.
    ///
    /// - Throws: `GraftError` if there is no such class
    @inline(__always) func label(
      _ labels: UnsafePointer<Int64>, _ sample: Int
    ) throws -> Int? {
      let label = Int(labels[sample])
      if label == ignoredLabel { return nil }
      guard label >= 0, label < layout.length else {
        throw GraftError.badData(
          "label \(label) of sample \(sample) is none of \(layout.length) classes")
      }
      return label
    }

    /// The position of the log-probability of a sample's label.
    @inline(__always) func place(_ sample: Int, _ label: Int) -> Int {
      layout.start(ofColumn: sample) + label * layout.stride
    }
  }

  func samples<Element: RealElement>(
    _ context: PrepareContext, first: Int = 0, _: Element.Type
  ) throws -> Samples<Element> {
    Samples(
      layout: try AxisLayout(context.input(first).shape, axis: 1), ignoredLabel: ignoredLabel,
      hasWeights: context.hasInput(first + 2))
  }

  /// Phases that compute the loss into output 0 from the results of `logProbabilities`.
  func phases<Element: RealElement>(
    _ context: PrepareContext, _: Element.Type,
    logProbabilities: @escaping @Sendable (KernelArguments) -> UnsafePointer<Element>?
  ) throws -> [PreparedKernel.Phase] {
    let samples = try samples(context, Element.self)
    let reduction = reduction
    let count = samples.layout.columnCount
    if reduction == .none {
      return [
        .parallel(count: count, grain: 4096) { arguments, range in
          guard let logProbabilities = logProbabilities(arguments) else { return }
          let labels = arguments.input(1, as: Int64.self)
          let weights = samples.hasWeights ? arguments.input(2, as: Element.self) : nil
          let losses = arguments.output(0, as: Element.self)
          for sample in range {
            guard let label = try samples.label(labels, sample) else {
              losses[sample] = 0
              continue
            }
            losses[sample] =
              -logProbabilities[samples.place(sample, label)] * (weights?[label] ?? 1)
          }
        }
      ]
    }
    return [
      PreparedKernel.Phase(taskCount: 1) { arguments, _ in
        guard let logProbabilities = logProbabilities(arguments) else { return }
        let labels = arguments.input(1, as: Int64.self)
        let weights = samples.hasWeights ? arguments.input(2, as: Element.self) : nil
        var sum = 0.0
        var weightSum = 0.0
        for sample in 0..<count {
          guard let label = try samples.label(labels, sample) else { continue }
          let weight = Double(weights?[label] ?? 1)
          sum -= Double(logProbabilities[samples.place(sample, label)]) * weight
          weightSum += weight
        }
        arguments.output(0, as: Element.self)[0] = Element(
          reduction == .mean ? sum / weightSum : sum)
      }
    ]
  }
}

extension PrepareContext {
  /// Runs `prepare` with the labels in input `index` as int64.
  func withWideLabels(
    _ index: Int, _ prepare: (PrepareContext) throws -> PreparedKernel
  ) throws -> PreparedKernel {
    guard try input(index).elementType == .int32 else { return try prepare(self) }
    return try converting([.int32], to: .int64, prepare)
  }
}
