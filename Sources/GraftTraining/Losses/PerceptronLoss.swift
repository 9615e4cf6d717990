import GraftGraph

/// The mean of max(0, -target · score), of scores `[N, K]` and targets `[N, K]` of -1 and 1, or of
/// 0 and 1: only samples on the wrong side count.
///
/// Source: `loss="perceptron"` of <https://scikit-learn.org/stable/modules/sgd.html>
package struct PerceptronLoss: Loss {
  package static let name = "perceptron"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let product = graph.addNode("Mul", [try graph.addSigns(targets), scores])
    return graph.addMean(graph.addNode("Relu", [graph.addNode("Neg", [product])]))
  }

  package func forMixedTargets() throws -> any Loss { try refuseMixedTargets() }
}
