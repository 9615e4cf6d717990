import GraftGraph

/// Cross-entropy of probabilities `[N, K]`, e.g. from a sigmoid, with targets `[N, K]` from 0 to 1:
/// -target · log p - (1 - target) · log(1 - p).
///
/// Probabilities are clipped to a distance of 1e-7 from 0 and 1, where the gradient vanishes. After
/// a final sigmoid, ``BinaryCrossEntropy`` of the logits is more accurate.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class>
package struct ProbabilityCrossEntropy: Loss {
  package static let name = "binary_cross_entropy_of_probabilities"
  private static let margin: Float = 1e-7

  package init() {}

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    let one = try graph.addScalar(1)
    let low = try graph.addScalar(Self.margin)
    let high = try graph.addScalar(1 - Self.margin)
    let clipped = graph.addNode("Clip", [scores, low, high])
    let logarithm = graph.addNode("Log", [clipped])
    let ofRest = graph.addNode("Log", [graph.addNode("Sub", [one, clipped])])
    let first = graph.addNode("Mul", [targets, logarithm])
    let second = graph.addNode("Mul", [graph.addNode("Sub", [one, targets]), ofRest])
    return graph.addMean(graph.addNode("Neg", [graph.addNode("Add", [first, second])]))
  }
}
