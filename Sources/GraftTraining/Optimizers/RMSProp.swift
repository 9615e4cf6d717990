import GraftFiles
import GraftGraph

/// Steps divided by the root of a moving average of the squared gradients, for each element:
/// `s ← ρ·s + (1 − ρ)·g²`, `p ← p − learningRate·g / √(s + ε)`.
///
/// With ``momentum``, parameters move by a velocity `v ← momentum·v + learningRate·g / √(s + ε)`. A
/// centered step divides by the standard deviation, which also needs a moving average of the
/// gradients.
///
/// Source: <https://keras.io/api/optimizers/rmsprop/>
struct RMSProp: Optimizer {
  static let arguments: [OptimizerArgument<RMSProp>] = [
    .number("rho", \.rho, limit: 1), .number("momentum", \.momentum, limit: 1),
    .number("epsilon", \.epsilon), .flag("centered", \.isCentered),
    .number("weight_decay", \.weightDecay),
  ]

  var rho: Float = 0.9
  var momentum: Float = 0
  var epsilon: Float = 1e-7
  var isCentered = false
  var weightDecay: Float = 0

  func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    let square = try graph.addOptimizerState("velocity", of: parameter)
    let velocity =
      momentum > 0 ? try graph.addOptimizerState("momentum", of: parameter) : nil
    let average =
      isCentered ? try graph.addOptimizerState("average_gradient", of: parameter) : nil
    graph.addOptimizerStep(
      "RMSpropUpdate", [parameter, gradient, square, learningRate, velocity, average],
      attributes: [
        "rho": .float(rho), "momentum": .float(momentum), "epsilon": .float(epsilon),
        "weightDecay": .float(weightDecay),
      ],
      changing: [parameter, square, velocity, average])
  }
}
