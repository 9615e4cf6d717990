/// Stores checkpoints and features of a ``FineTuner``, and names its observers. By default, nothing
/// is stored.
package protocol FineTunerDelegate: AnyObject {
  var observers: [any TrainingObserver] { get }
  /// Saves the state after an epoch, and after an interruption.
  func save(_ checkpoint: Checkpoint) throws
  /// Saves the state after an epoch that is better than all earlier ones.
  func saveBest(_ checkpoint: Checkpoint) throws
  /// Opens the features of earlier runs; `nil` for none.
  func archive(for work: FrozenWork) throws -> (any FeatureArchive)?
}

extension FineTunerDelegate {
  package var observers: [any TrainingObserver] { [] }
  package func save(_ checkpoint: Checkpoint) throws {}
  package func saveBest(_ checkpoint: Checkpoint) throws {}
  package func archive(for work: FrozenWork) throws -> (any FeatureArchive)? { nil }
}
