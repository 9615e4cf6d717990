import GraftFiles

/// Losses by the names and arguments that recipes use:
/// `softmax_cross_entropy(label_smoothing=0.1)`.
package enum Losses {
  private static let known = NamedCalls(
    "loss",
    [
      SoftmaxCrossEntropy.name: ["label_smoothing="],
      CategoricalCrossEntropy.name: ["label_smoothing="], BinaryCrossEntropy.name: [],
      ProbabilityCrossEntropy.name: [], MeanSquaredError.name: [], MeanAbsoluteError.name: [],
      HuberLoss.name: ["delta="], PoissonLoss.name: [], HingeLoss.name: [],
      SquaredHingeLoss.name: [], PerceptronLoss.name: [],
    ])

  package static var names: [String] { known.names }
  /// The syntax of each loss.
  package static var usages: [String] { known.usages }

  /// - Throws: `GraftError` for an unknown name or argument
  package static func named(_ text: String) throws -> any Loss {
    var call = try known.call(text)
    let loss: any Loss
    switch call.name {
    case SoftmaxCrossEntropy.name:
      loss = SoftmaxCrossEntropy(labelSmoothing: try takeSmoothing(&call))
    case CategoricalCrossEntropy.name:
      loss = CategoricalCrossEntropy(labelSmoothing: try takeSmoothing(&call))
    case BinaryCrossEntropy.name: loss = BinaryCrossEntropy()
    case ProbabilityCrossEntropy.name: loss = ProbabilityCrossEntropy()
    case MeanSquaredError.name: loss = MeanSquaredError()
    case MeanAbsoluteError.name: loss = MeanAbsoluteError()
    case HuberLoss.name:
      loss = HuberLoss(delta: try call.take("delta", default: 1, in: 1e-6...1e6))
    case PoissonLoss.name: loss = PoissonLoss()
    case HingeLoss.name: loss = HingeLoss()
    case SquaredHingeLoss.name: loss = SquaredHingeLoss()
    default: loss = PerceptronLoss()
    }
    try known.requireNoMore(of: call)
    return loss
  }

  private static func takeSmoothing(_ call: inout NamedCall) throws -> Float {
    try call.take("label_smoothing", default: 0, in: 0...0.99)
  }
}
