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
package struct RMSProp: Optimizer {
  package static let name = "rmsprop"
  package static let arguments = ["rho=", "momentum=", "epsilon=", "centered", "weight_decay="]

  package var rho: Float
  package var momentum: Float
  package var epsilon: Float
  package var isCentered: Bool
  /// Decoupled decay of the parameters: `p ← p·(1 − learningRate·weightDecay)`.
  package var weightDecay: Float

  package init(
    rho: Float = 0.9, momentum: Float = 0, epsilon: Float = 1e-7, isCentered: Bool = false,
    weightDecay: Float = 0
  ) {
    self.rho = rho
    self.momentum = momentum
    self.epsilon = epsilon
    self.isCentered = isCentered
    self.weightDecay = weightDecay
  }

  package init(_ call: inout NamedCall) throws {
    self.init()
    try call.take("rho", into: &rho, below: 1)
    try call.take("momentum", into: &momentum, below: 1)
    try call.take("epsilon", into: &epsilon)
    isCentered = call.takeFlag("centered")
    try call.take("weight_decay", into: &weightDecay)
  }

  package func appendUpdate(
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
