/// The result of classifying an image.
public struct Classification: Sendable, Equatable {
  /// The most probable classes, in descending order. They mean little where ``isInDistribution`` is
  /// false.
  public var predictions: [Prediction]
  /// Whether the image resembles the training images; if not, it shows none of the classes. `nil`
  /// if the model cannot tell.
  public var isInDistribution: Bool?
  /// The score behind this decision, larger for images closer to the training images; `nil` if the
  /// model has none.
  public var inDistributionScore: Float?
}
