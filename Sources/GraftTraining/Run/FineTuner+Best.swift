/// The records of a phase.
extension [EpochRecord] {
  /// Epochs since the loss became smaller.
  package var epochsWithoutBetter: Int { bestIndex.map { count - 1 - $0 } ?? 0 }

  /// The index of the epoch with the smallest ``EpochRecord/watchedLoss``, the first one among equals.
  package var bestIndex: Int? { indices.min { self[$0].watchedLoss < self[$1].watchedLoss } }
}

extension EpochRecord {
  /// The loss that says how good the weights are: on validation data, or in training if there are none.
  package var watchedLoss: Double { validationLoss ?? loss }
}

/// Early stopping, and the best epoch. Both follow from the history alone.
extension RunState {
  /// The records of the current phase.
  fileprivate var recordsOfPhase: [EpochRecord] {
    history.suffix(epoch).filter { $0.phase == phase + 1 }
  }

  /// Whether the current phase has come to its end, be it an early one.
  ///
  /// Source: <https://keras.io/api/callbacks/early_stopping/>
  func isPhaseDone(in recipe: Recipe) -> Bool {
    epoch >= recipe.phases[phase].epochs
      || recipe.earlyStopping.map { recordsOfPhase.epochsWithoutBetter >= $0 } ?? false
  }
}

extension FineTuner {
  /// Whether the current phase has come to its end, be it an early one.
  var isPhaseDone: Bool { state.isPhaseDone(in: recipe) }

  /// Takes note of the weights if no epoch before was better.
  func keepBest() throws {
    if recipe.earlyStopping != nil, state.recordsOfPhase.epochsWithoutBetter == 0 {
      bestOfPhase = try phase?.trainer.values()
    }
    if state.history.bestIndex == state.history.count - 1 { try delegate?.saveBest(checkpoint()) }
  }

  /// With early stopping a phase ends with the weights of its best epoch.
  func takeBest() throws {
    let records = state.recordsOfPhase
    guard recipe.earlyStopping != nil, let bestOfPhase, let best = records.bestIndex else { return }
    phase?.trainer.restore(bestOfPhase)
    for observer in observers {
      try observer.tookBest(
        records[best], isEarly: records.count < recipe.phases[state.phase].epochs)
    }
  }
}
