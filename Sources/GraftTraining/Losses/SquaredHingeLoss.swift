import GraftGraph

/// The mean of max(0, 1 - target · score)², of scores `[N, K]` and targets `[N, K]` of -1 and 1, or
/// of 0 and 1.
///
/// Source: <https://keras.io/api/losses/hinge_losses/#squaredhinge-class>
package struct SquaredHingeLoss: Loss {
  package static let name = "squared_hinge"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let product = graph.addNode("Mul", [try graph.addSigns(targets), scores])
    let margin = graph.addNode("Sub", [try graph.addScalar(1), product])
    let positive = graph.addNode("Relu", [margin])
    return graph.addMean(graph.addNode("Mul", [positive, positive]))
  }

  package func forMixedTargets() throws -> any Loss { try refuseMixedTargets() }
}
