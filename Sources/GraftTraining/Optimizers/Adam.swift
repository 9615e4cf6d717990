import GraftFiles
import GraftGraph

/// Steps along a moving average of the gradients, divided by the root of one of their squares, for
/// each element: `m ← m + (1 − β₁)·(g − m)`, `v ← v + (1 − β₂)·(g² − v)`, `p ← p − α·m / (√v + ε)`,
/// where `α = learningRate·√(1 − β₂ᵗ) / (1 − β₁ᵗ)` corrects for averages that start at zero.
///
/// Source: <https://keras.io/api/optimizers/adam/>
package struct Adam: Optimizer {
  package static let name = "adam"
  package static let arguments = ["beta1=", "beta2=", "epsilon=", "weight_decay="]

  package var beta1: Float
  package var beta2: Float
  package var epsilon: Float
  /// Decoupled decay of the parameters: `p ← p·(1 − learningRate·weightDecay)`.
  package var weightDecay: Float

  package init(
    beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-7, weightDecay: Float = 0
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  package init(_ call: inout NamedCall) throws {
    self.init()
    try take(&call)
  }

  /// Consumes the arguments of a call, which AdamW shares.
  mutating func take(_ call: inout NamedCall) throws {
    // With 1 the averages would stay 0, and their correction would divide by 0.
    try call.take("beta1", into: &beta1, below: 0.999_999)
    try call.take("beta2", into: &beta2, below: 0.999_999)
    try call.take("epsilon", into: &epsilon)
    try call.take("weight_decay", into: &weightDecay)
  }

  package func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    let mean = try graph.addOptimizerState("momentum", of: parameter)
    let square = try graph.addOptimizerState("velocity", of: parameter)
    graph.addOptimizerStep(
      "AdamUpdate", [parameter, gradient, mean, square, learningRate, step],
      attributes: [
        "beta1": .float(beta1), "beta2": .float(beta2), "epsilon": .float(epsilon),
        "weightDecay": .float(weightDecay),
      ],
      changing: [parameter, mean, square])
  }
}
