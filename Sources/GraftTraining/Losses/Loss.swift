import GraftFiles
import GraftGraph

/// A function that training minimizes, made of nodes.
///
/// All losses are means over a batch, and over the numbers of each sample if there are several, as
/// in Keras.
package protocol Loss: Sendable {
  /// The name that recipes use.
  static var name: String { get }

  /// The type of the targets for scores of `[N, K]`.
  func targetType(classCount: Int) -> TensorType

  /// Appends nodes for the mean over a batch.
  ///
  /// - Parameters:
  ///   - scores: `[N, K]`, float; logits unless the loss says otherwise
  ///   - targets: of ``targetType(classCount:)``
  /// - Returns: a scalar
  /// - Throws: `GraftError` if the loss's settings are invalid
  func append(to graph: inout Graph, scores: ValueID, targets: ValueID) throws -> ValueID

  /// The same loss for targets `[N, K]` that mix classes.
  ///
  /// - Throws: `GraftError` if there is none
  func forMixedTargets() throws -> any Loss

  /// Whether this is the mean of -log of the right class's probability, which evaluations report,
  /// apart from class weights.
  ///
  /// - Parameter scoreCount: K; 1 for two classes
  func isLogLoss(scoreCount: Int) -> Bool
}

extension Loss {
  package func forMixedTargets() throws -> any Loss { self }

  package func isLogLoss(scoreCount: Int) -> Bool { false }

  /// For losses whose targets are only above 0 or not.
  func refuseMixedTargets() throws -> any Loss {
    throw GraftError.usage(
      "the loss '\(Self.name)' does not support mixed targets of mixup and cutmix",
      hint: "Omit them from --augment, or use a cross-entropy as --loss")
  }
}

/// A loss with class weights.
package protocol WeightedLoss: Loss {
  var classWeights: ClassWeights? { get set }
}
