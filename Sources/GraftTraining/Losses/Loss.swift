import GraftFiles
import GraftGraph

/// What training makes small; each in a file of its own, made of nodes.
///
/// All losses are means over a batch; those of several numbers for each sample are means over these, too, as in
/// Keras.
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
  /// - Throws: `GraftError` if the loss's settings are wrong.
  func append(to graph: inout Graph, scores: ValueID, targets: ValueID) throws -> ValueID

  /// The same loss for targets `[N, K]` with parts of several classes.
  ///
  /// - Throws: `GraftError` if there is none.
  func forMixedTargets() throws -> any Loss

  /// Whether this is the mean of -log of the probability of the right class, which evaluations report; class weights aside.
  ///
  /// - Parameter scoreCount: K; 1 for two classes
  func isLogLoss(scoreCount: Int) -> Bool
}

extension Loss {
  package func forMixedTargets() throws -> any Loss { self }

  package func isLogLoss(scoreCount: Int) -> Bool { false }

  /// For losses that know two kinds of targets only, those above 0 and all others.
  func refuseMixedTargets() throws -> any Loss {
    throw GraftError.usage(
      "the loss '\(Self.name)' knows no targets with parts of several classes, as mixup and cutmix make",
      hint: "Leave them out of --augment, or take a cross-entropy as --loss")
  }
}

/// A loss that can weigh classes.
package protocol WeightedLoss: Loss {
  var classWeights: ClassWeights? { get set }
}
