/// Keeps what a ``FineTuner`` makes, and says who follows the run. By default nothing is kept.
package protocol FineTunerDelegate: AnyObject {
  var observers: [any TrainingObserver] { get }
  /// Saves the state at the end of an epoch, and when the run is asked to stop.
  func save(_ checkpoint: Checkpoint) throws
  /// Saves the state at the end of an epoch that no earlier one was better than.
  func saveBest(_ checkpoint: Checkpoint) throws
  /// Opens what earlier runs kept of features.
  func archive(for work: FrozenWork) throws -> (any FeatureArchive)?
}

extension FineTunerDelegate {
  package var observers: [any TrainingObserver] { [] }
  package func save(_ checkpoint: Checkpoint) throws {}
  package func saveBest(_ checkpoint: Checkpoint) throws {}
  package func archive(for work: FrozenWork) throws -> (any FeatureArchive)? { nil }
}
