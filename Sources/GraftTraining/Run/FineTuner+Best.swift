/// The records of a phase.
extension [EpochRecord] {
  /// The number of epochs since the loss last decreased.
  package var epochsWithoutBetter: Int { bestIndex.map { count - 1 - $0 } ?? 0 }

  /// The index of the epoch with the smallest ``EpochRecord/watchedLoss``, the first one among
  /// equals.
  package var bestIndex: Int? { indices.min { self[$0].watchedLoss < self[$1].watchedLoss } }
}

extension EpochRecord {
  /// The loss that measures the weights: on validation data, or in training without such data.
  package var watchedLoss: Double { validationLoss ?? loss }
}

/// Early stopping, and the best epoch. Both depend only on the history.
extension RunState {
  /// The records of the current phase.
  fileprivate var recordsOfPhase: [EpochRecord] {
    history.suffix(epoch).filter { $0.phase == phase + 1 }
  }

  /// Whether the current phase is finished, possibly early.
  ///
  /// Source: <https://keras.io/api/callbacks/early_stopping/>
  func isPhaseDone(in recipe: Recipe) -> Bool {
    epoch >= recipe.phases[phase].epochs
      || recipe.earlyStopping.map { recordsOfPhase.epochsWithoutBetter >= $0 } ?? false
  }
}

extension FineTuner {
  /// Whether the current phase is finished, possibly early.
  var isPhaseDone: Bool { state.isPhaseDone(in: recipe) }

  /// Saves the weights if no earlier epoch was better.
  func keepBest() throws {
    if recipe.earlyStopping != nil, state.recordsOfPhase.epochsWithoutBetter == 0 {
      bestOfPhase = try phase?.trainer.values()
    }
    if state.history.bestIndex == state.history.count - 1 { try delegate?.saveBest(checkpoint()) }
  }

  /// With early stopping, a phase ends with the weights of its best epoch.
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
