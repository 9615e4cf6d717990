import GraftFiles
import GraftGraph
import GraftTensor

/// Cross-entropy of the softmax of logits `[N, K]` with classes `[N]`: -log softmax(logits)[class].
///
/// With label smoothing s, the target of the class is 1 - s + s / K and that of the others s / K.
///
/// Sources:
/// <https://keras.io/api/losses/probabilistic_losses/#sparsecategoricalcrossentropy-class>,
/// `from_logits=True`; <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>
package struct SoftmaxCrossEntropy: WeightedLoss {
  package static let name = "softmax_cross_entropy"

  /// From 0 to below 1.
  package var labelSmoothing: Float
  package var classWeights: ClassWeights?

  package init(labelSmoothing: Float = 0, classWeights: ClassWeights? = nil) {
    self.labelSmoothing = labelSmoothing
    self.classWeights = classWeights
  }

  package func targetType(classCount: Int) -> TensorType { TensorType(.int64, [.symbol("N")]) }

  package func isLogLoss(scoreCount: Int) -> Bool { labelSmoothing == 0 }

  package func forMixedTargets() -> any Loss {
    CategoricalCrossEntropy(labelSmoothing: labelSmoothing, classWeights: classWeights)
  }

  package func append(
    to graph: inout Graph, scores: ValueID, targets: ValueID
  ) throws -> ValueID {
    try LabelSmoothing.check(labelSmoothing)
    let weights = try classWeights?.append(to: &graph, scores: scores)
    guard labelSmoothing > 0 else {
      guard let weights else {
        return graph.addNode(
          "SoftmaxCrossEntropyLoss", [scores, targets],
          attributes: ["reduction": .string("mean")], outputName: "data_loss")
      }
      // ONNX's mean would divide by the sum of the weights.
      return graph.addMean(
        graph.addNode(
          "SoftmaxCrossEntropyLoss", [scores, targets, weights],
          attributes: ["reduction": .string("none")]))
    }
    let logarithms = graph.addNode("LogSoftmax", [scores], attributes: ["axis": .int(1)])
    let ofClass = graph.addNode(
      "NegativeLogLikelihoodLoss", [logarithms, targets],
      attributes: ["reduction": .string("none")])
    // The mean over the classes is a mean of logarithms, so it is subtracted.
    let ofAll = try graph.addClassMean(logarithms)
    let sharp = graph.addNode("Mul", [ofClass, try graph.addScalar(1 - labelSmoothing)])
    let smooth = graph.addNode("Mul", [ofAll, try graph.addScalar(labelSmoothing)])
    let each = graph.addNode("Sub", [sharp, smooth])
    guard let weights else { return graph.addMean(each) }
    let weight = graph.addNode("Gather", [weights, targets])
    return graph.addMean(graph.addNode("Mul", [each, weight]))
  }
}

/// Distributes a part of each target over all classes.
enum LabelSmoothing {
  /// - Throws: `GraftError` if the part is not from 0 to below 1
  static func check(_ smoothing: Float) throws {
    guard (0..<1).contains(smoothing) else {
      throw GraftError.usage(
        "invalid label smoothing \(smoothing)", hint: "Use 0 to below 1")
    }
  }
}
