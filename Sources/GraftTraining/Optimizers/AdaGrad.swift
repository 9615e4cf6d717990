import GraftFiles
import GraftGraph

/// Steps divided by the root of the sum of all squared gradients so far, for each element:
/// `a ← a + g²`, `p ← p − learningRate·g / √(a + ε)`.
///
/// Source: <https://keras.io/api/optimizers/adagrad/>
struct AdaGrad: Optimizer {
  static let arguments: [OptimizerArgument<AdaGrad>] = [
    .number("initial_accumulator", \.initialAccumulator), .number("epsilon", \.epsilon),
    .number("weight_decay", \.weightDecay),
  ]

  /// The initial value of the sums.
  var initialAccumulator: Float = 0.1
  var epsilon: Float = 1e-7
  var weightDecay: Float = 0

  func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    let accumulator = try graph.addOptimizerState(
      "accumulator", of: parameter, value: Double(initialAccumulator))
    graph.addOptimizerStep(
      "AdaGradUpdate", [parameter, gradient, accumulator, learningRate],
      attributes: ["epsilon": .float(epsilon), "weightDecay": .float(weightDecay)],
      changing: [parameter, accumulator])
  }
}
