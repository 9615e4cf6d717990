import GraftGraph

/// The mean of max(0, 1 - target · score), of scores `[N, K]` and targets `[N, K]` of -1 and 1, or
/// of 0 and 1.
///
/// Source: <https://keras.io/api/losses/hinge_losses/#hinge-class>
package struct HingeLoss: Loss {
  package static let name = "hinge"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let product = graph.addNode("Mul", [try graph.addSigns(targets), scores])
    let margin = graph.addNode("Sub", [try graph.addScalar(1), product])
    return graph.addMean(graph.addNode("Relu", [margin]))
  }

  package func forMixedTargets() throws -> any Loss { try refuseMixedTargets() }
}
