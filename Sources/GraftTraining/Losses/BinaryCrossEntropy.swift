import GraftFiles
import GraftGraph
import GraftOperators

/// Cross-entropy of sigmoids of logits `[N, K]` with targets `[N, K]` from 0 to 1. It is
/// softplus(logit) - target · logit, which avoids cancellation.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class>,
/// `from_logits=True`
package struct BinaryCrossEntropy: WeightedLoss {
  package static let name = "binary_cross_entropy"

  /// Two weights, for targets of 0 and of 1; only for a single score, `[N, 1]`.
  package var classWeights: ClassWeights?

  package init(classWeights: ClassWeights? = nil) { self.classWeights = classWeights }

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func isLogLoss(scoreCount: Int) -> Bool { scoreCount == 1 }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let softplus = graph.addNode("Softplus", [scores])
    let product = graph.addNode("Mul", [scores, targets])
    let each = graph.addNode("Sub", [softplus, product])
    guard let weights = classWeights?.values else { return graph.addMean(each) }
    try graph.inferTypes()
    guard weights.count == 2, graph[scores].type?.tensor?.shape?.last?.known == 1 else {
      throw GraftError.usage(
        "\(weights.count) class weights do not match \(BinaryCrossEntropy.name)",
        hint: "Use two weights and one score, or softmax_cross_entropy for more classes")
    }
    let difference = graph.addNode("Mul", [targets, try graph.addScalar(weights[1] - weights[0])])
    let weight = graph.addNode("Add", [difference, try graph.addScalar(weights[0])])
    return graph.addMean(graph.addNode("Mul", [each, weight]))
  }
}
