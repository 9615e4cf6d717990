import GraftTraining

/// The quality of a classifier on labelled images.
public struct Evaluation: Sendable, Hashable {
  /// The fraction of images whose most probable class is right.
  public var accuracy: Double
  /// The mean of -log of the probability of the right class.
  public var loss: Double
  /// The number of images.
  public var count: Int
  /// The model's classes, in its order.
  public var classNames: [String]
  /// `[true class][predicted class]`, in images.
  public var confusionMatrix: [[Int]]

  /// The fraction of images that the model considers in distribution; `nil` if it cannot tell.
  public var inDistributionShare: Double?

  init(_ result: EvaluationResult) {
    accuracy = result.accuracy
    loss = result.loss
    count = result.count
    classNames = result.classes
    confusionMatrix = result.confusionMatrix
    inDistributionShare = result.inDistributionShare
  }
}
