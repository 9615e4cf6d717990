import GraftFiles
import GraftGraph

/// Steps divided by the root of the sum of all squared gradients so far, for each element:
/// `a ← a + g²`, `p ← p − learningRate·g / √(a + ε)`.
///
/// Source: <https://keras.io/api/optimizers/adagrad/>
package struct AdaGrad: Optimizer {
  package static let name = "adagrad"
  package static let arguments = ["initial_accumulator=", "epsilon=", "weight_decay="]

  /// The initial value of the sums.
  package var initialAccumulator: Float
  package var epsilon: Float
  /// Decoupled decay of the parameters: `p ← p·(1 − learningRate·weightDecay)`.
  package var weightDecay: Float

  package init(initialAccumulator: Float = 0.1, epsilon: Float = 1e-7, weightDecay: Float = 0) {
    self.initialAccumulator = initialAccumulator
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  package init(_ call: inout NamedCall) throws {
    self.init()
    try call.take("initial_accumulator", into: &initialAccumulator)
    try call.take("epsilon", into: &epsilon)
    try call.take("weight_decay", into: &weightDecay)
  }

  package func appendUpdate(
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
