import GraftGraph

/// The mean of |score - target|, of scores and targets `[N, K]`.
///
/// Source: <https://keras.io/api/losses/regression_losses/#meanabsoluteerror-class>
package struct MeanAbsoluteError: Loss {
  package static let name = "mean_absolute_error"

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let error = graph.addNode("Sub", [scores, targets])
    return graph.addMean(graph.addNode("Abs", [error]))
  }
}
