import GraftGraph

/// ``Adam`` with weight decay that is decoupled from the gradient:
/// `p ← p·(1 − learningRate·weightDecay)` before each step.
///
/// Source: <https://keras.io/api/optimizers/adamw/>; Loshchilov and Hutter, "Decoupled Weight Decay
/// Regularization", <https://arxiv.org/abs/1711.05101>
package struct AdamW: Optimizer {
  package static let name = "adamw"
  package static let arguments = Adam.arguments

  package var adam: Adam

  package init(weightDecay: Float = 0.004) { adam = Adam(weightDecay: weightDecay) }

  package init(_ call: inout NamedCall) throws {
    self.init()
    try adam.take(&call)
  }

  package func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    try adam.appendUpdate(
      of: parameter, gradient: gradient, learningRate: learningRate, step: step, to: &graph)
  }
}
