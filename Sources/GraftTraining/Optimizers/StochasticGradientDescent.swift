import GraftFiles
import GraftGraph

/// Gradient descent with momentum: `v ← momentum·v − learningRate·g`, `p ← p + v`.
///
/// Source: <https://keras.io/api/optimizers/sgd/>
struct StochasticGradientDescent: Optimizer {
  static let arguments: [OptimizerArgument<StochasticGradientDescent>] = [
    .number("momentum", \.momentum, limit: 1), .flag("nesterov", \.isNesterov),
    .number("weight_decay", \.weightDecay),
  ]

  var momentum: Float = 0
  var isNesterov = false
  var weightDecay: Float = 0

  func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    let velocity = try graph.addOptimizerState("velocity", of: parameter)
    graph.addOptimizerStep(
      "SGDMomentumUpdate", [parameter, gradient, velocity, learningRate],
      attributes: [
        "momentum": .float(momentum), "nesterov": .int(isNesterov ? 1 : 0),
        "weightDecay": .float(weightDecay),
      ],
      changing: [parameter, velocity])
  }
}
