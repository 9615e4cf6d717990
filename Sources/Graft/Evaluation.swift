import GraftTraining

/// How right a classifier is on images whose classes are known.
public struct Evaluation: Sendable, Hashable {
  /// The share of the images whose likeliest class is the right one.
  public var accuracy: Double
  /// The mean of -log of the probability of the right class.
  public var loss: Double
  /// Images.
  public var count: Int
  /// The model's classes, in its order.
  public var classNames: [String]
  /// `[true class][predicted class]`, in images.
  public var confusionMatrix: [[Int]]

  /// The share of the images that the model takes for ones of its classes; `nil` if it cannot tell.
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
