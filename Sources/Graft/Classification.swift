/// What a classifier makes of an image.
public struct Classification: Sendable, Equatable {
  /// The most probable classes, the most probable first. They mean little where ``isInDistribution`` is false.
  public var predictions: [Prediction]
  /// Whether the image is like those that the model was trained on; if not, it shows none of the classes. `nil` if the
  /// model cannot tell.
  public var isInDistribution: Bool?
  /// The score that decides this, larger for images that are more like those; `nil` if the model has none.
  public var inDistributionScore: Float?
}
