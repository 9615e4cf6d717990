import GraftFiles
import GraftGraph

/// Gradient descent with momentum: `v ← momentum·v − learningRate·g`, `p ← p + v`.
///
/// Source: <https://keras.io/api/optimizers/sgd/>
package struct StochasticGradientDescent: Optimizer {
  package static let name = "sgd"
  package static let arguments = ["momentum=", "nesterov", "weight_decay="]

  package var momentum: Float
  package var isNesterov: Bool
  /// Decoupled decay of the parameters: `p ← p·(1 − learningRate·weightDecay)`.
  package var weightDecay: Float

  package init(momentum: Float = 0, isNesterov: Bool = false, weightDecay: Float = 0) {
    self.momentum = momentum
    self.isNesterov = isNesterov
    self.weightDecay = weightDecay
  }

  package init(_ call: inout NamedCall) throws {
    self.init()
    try call.take("momentum", into: &momentum, below: 1)
    isNesterov = call.takeFlag("nesterov")
    try call.take("weight_decay", into: &weightDecay)
  }

  package func appendUpdate(
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
