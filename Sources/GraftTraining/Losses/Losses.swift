import GraftRuntime

/// Losses by the names and arguments that recipes use: `softmax_cross_entropy(label_smoothing=0.1)`.
package enum Losses {
  package static let names = [
    SoftmaxCrossEntropy.name, CategoricalCrossEntropy.name, BinaryCrossEntropy.name,
    ProbabilityCrossEntropy.name, MeanSquaredError.name, MeanAbsoluteError.name, HuberLoss.name,
    PoissonLoss.name, HingeLoss.name, SquaredHingeLoss.name, PerceptronLoss.name,
  ]

  /// - Throws: `GraftError` for an unknown name or argument.
  package static func named(_ text: String) throws -> any Loss {
    var call = try NamedCall(text)
    let loss: any Loss
    var known: [String] = []
    switch call.name {
    case SoftmaxCrossEntropy.name:
      known = ["label_smoothing="]
      loss = SoftmaxCrossEntropy(labelSmoothing: try takeSmoothing(&call))
    case CategoricalCrossEntropy.name:
      known = ["label_smoothing="]
      loss = CategoricalCrossEntropy(labelSmoothing: try takeSmoothing(&call))
    case BinaryCrossEntropy.name: loss = BinaryCrossEntropy()
    case ProbabilityCrossEntropy.name: loss = ProbabilityCrossEntropy()
    case MeanSquaredError.name: loss = MeanSquaredError()
    case MeanAbsoluteError.name: loss = MeanAbsoluteError()
    case HuberLoss.name:
      known = ["delta="]
      loss = HuberLoss(delta: Float(try call.take("delta", default: 1, in: 1e-6...1e6)))
    case PoissonLoss.name: loss = PoissonLoss()
    case HingeLoss.name: loss = HingeLoss()
    case SquaredHingeLoss.name: loss = SquaredHingeLoss()
    case PerceptronLoss.name: loss = PerceptronLoss()
    default:
      throw GraftError.usage(
        "'\(call.name)' is no loss", hint: "Known are \(names.joined(separator: ", "))")
    }
    try call.requireNoMore(known: known)
    return loss
  }

  private static func takeSmoothing(_ call: inout NamedCall) throws -> Float {
    Float(try call.take("label_smoothing", default: 0, in: 0...0.99))
  }
}
