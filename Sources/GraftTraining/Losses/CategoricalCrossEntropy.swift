import GraftFiles
import GraftGraph

/// Cross-entropy of the softmax of logits `[N, K]` with probabilities `[N, K]` that add up to 1: -Σ
/// target · log softmax(logits).
///
/// With label smoothing s, targets become target · (1 - s) + s / K. The class with the largest
/// target determines the class weight.
///
/// Source: <https://keras.io/api/losses/probabilistic_losses/#categoricalcrossentropy-class>,
/// `from_logits=True`
package struct CategoricalCrossEntropy: WeightedLoss {
  package static let name = "categorical_cross_entropy"

  /// From 0 to below 1.
  package var labelSmoothing: Float
  package var classWeights: ClassWeights?

  package init(labelSmoothing: Float = 0, classWeights: ClassWeights? = nil) {
    self.labelSmoothing = labelSmoothing
    self.classWeights = classWeights
  }

  package func targetType(classCount: Int) -> TensorType { .floats(classCount: classCount) }

  package func isLogLoss(scoreCount: Int) -> Bool { labelSmoothing == 0 }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    try LabelSmoothing.check(labelSmoothing)
    let logarithms = graph.addNode("LogSoftmax", [scores], attributes: ["axis": .int(1)])
    let products = graph.addNode("Mul", [logarithms, targets])
    var each = graph.addNode("Neg", [try graph.addClassSum(products)])
    if labelSmoothing > 0 {
      // s / K added up over the classes is s times their mean.
      let sharp = graph.addNode("Mul", [each, try graph.addScalar(1 - labelSmoothing)])
      let ofAll = try graph.addClassMean(logarithms)
      let smooth = graph.addNode("Mul", [ofAll, try graph.addScalar(labelSmoothing)])
      each = graph.addNode("Sub", [sharp, smooth])
    }
    if let weights = try classWeights?.append(to: &graph, scores: scores) {
      let classes = graph.addNode(
        "ArgMax", [targets], attributes: ["axis": .int(1), "keepdims": .int(0)])
      each = graph.addNode("Mul", [each, graph.addNode("Gather", [weights, classes])])
    }
    return graph.addMean(each)
  }
}
