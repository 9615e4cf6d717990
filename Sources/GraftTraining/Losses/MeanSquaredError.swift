import GraftGraph

/// The mean of (score - target)², of scores and targets `[N, K]`.
///
/// Source: <https://keras.io/api/losses/regression_losses/#meansquarederror-class>
package struct MeanSquaredError: Loss {
  package static let name = "mean_squared_error"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let error = graph.addNode("Sub", [scores, targets])
    return graph.addMean(graph.addNode("Mul", [error, error]))
  }
}
