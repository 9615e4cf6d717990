import GraftGraph

/// ``Adam`` with weights that decay by themselves, apart from the gradient:
/// `p ← p·(1 − learningRate·weightDecay)` before each step.
///
/// Source: <https://keras.io/api/optimizers/adamw/>; Loshchilov and Hutter, "Decoupled Weight Decay Regularization",
/// <https://arxiv.org/abs/1711.05101>
package struct AdamW: Optimizer {
  package var adam: Adam

  package init(
    weightDecay: Float = 0.004, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-7
  ) {
    adam = Adam(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
  }

  package func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws {
    try adam.appendUpdate(
      of: parameter, gradient: gradient, learningRate: learningRate, step: step, to: &graph)
  }
}
