/// One class in a ranking.
public struct Prediction: Sendable, Equatable, Encodable {
  /// The index of the class in the model's output, from 0.
  public var index: Int
  /// The name of the class; `nil` if the model has no labels.
  public var label: String?
  /// From 0 to 1.
  public var probability: Float
}
