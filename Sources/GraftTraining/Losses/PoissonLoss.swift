import GraftGraph

/// The mean of score - target · log(score + 1e-7), of rates `[N, K]` above 0 (not logits) and
/// counts `[N, K]`: the negative log-likelihood of a Poisson distribution, without the terms that
/// do not depend on the rate.
///
/// Source: <https://keras.io/api/losses/regression_losses/#poisson-class>
package struct PoissonLoss: Loss {
  package static let name = "poisson"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let shifted = graph.addNode("Add", [scores, try graph.addScalar(1e-7)])
    let product = graph.addNode("Mul", [targets, graph.addNode("Log", [shifted])])
    return graph.addMean(graph.addNode("Sub", [scores, product]))
  }
}
