import GraftRuntime

/// Cross-entropy of sigmoids of logits `[N, K]` with targets `[N, K]` of 0 to 1:
/// softplus(logit) - target · logit, which is -log of the probability of the target without its cancellation.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class>, `from_logits=True`
package struct BinaryCrossEntropy: Loss {
  package static let name = "binary_cross_entropy"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let softplus = graph.addNode("Softplus", [scores])
    let product = graph.addNode("Mul", [scores, targets])
    return graph.addMean(graph.addNode("Sub", [softplus, product]))
  }
}
