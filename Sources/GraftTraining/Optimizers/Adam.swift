import GraftFiles
import GraftGraph

/// Steps along a moving average of the gradients, divided by the root of one of their squares, for
/// each element: `m ← m + (1 − β₁)·(g − m)`, `v ← v + (1 − β₂)·(g² − v)`, `p ← p − α·m / (√v + ε)`,
/// where `α = learningRate·√(1 − β₂ᵗ) / (1 − β₁ᵗ)` corrects for averages that start at zero. AdamW
/// is the same with weight decay.
///
/// Sources: <https://keras.io/api/optimizers/adam/>, <https://keras.io/api/optimizers/adamw/>;
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
/// <https://arxiv.org/abs/1711.05101>
struct Adam: Optimizer {
  static let arguments: [OptimizerArgument<Adam>] = [
    // With 1 the averages would stay 0, and their correction would divide by 0.
    .number("beta1", \.beta1, limit: 0.999_999), .number("beta2", \.beta2, limit: 0.999_999),
    .number("epsilon", \.epsilon), .number("weight_decay", \.weightDecay),
  ]

  var beta1: Float = 0.9
  var beta2: Float = 0.999
  var epsilon: Float = 1e-7
  var weightDecay: Float = 0

  func appendUpdate(
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
