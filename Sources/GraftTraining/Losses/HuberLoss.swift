import GraftFiles
import GraftGraph

/// The mean of ½·e² where |e| ≤ delta and of delta · (|e| - ½·delta) elsewhere, with e = score -
/// target, of scores and targets `[N, K]`.
///
/// Source: <https://keras.io/api/losses/regression_losses/#huber-class>
package struct HuberLoss: Loss {
  package static let name = "huber"

  /// The error from which the parabola continues as a line; above 0.
  package var delta: Float

  package init(delta: Float = 1) { self.delta = delta }

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    guard delta > 0, delta.isFinite else {
      throw GraftError.usage(
        "invalid delta \(delta) of the loss 'huber'", hint: "Use a number above 0")
    }
    // With c = min(|e|, delta), c · (|e| - ½·c) covers both cases.
    let size = graph.addNode("Abs", [graph.addNode("Sub", [scores, targets])])
    let near = graph.addNode("Clip", [size, nil, try graph.addScalar(delta)])
    let half = graph.addNode("Mul", [near, try graph.addScalar(0.5)])
    return graph.addMean(graph.addNode("Mul", [near, graph.addNode("Sub", [size, half])]))
  }
}
