/// The state of a run: with the weights, everything needed to continue it.
package struct RunState: Sendable, Codable, Hashable {
  /// From 0.
  package var phase = 0
  package var epoch = 0
  /// Completed batches of the current epoch.
  package var batch = 0
  /// Completed steps of the current phase.
  package var step = 0
  /// Sums over the current epoch so far.
  package var lossSum = 0.0
  package var correctCount = 0
  package var imageCount = 0
  package var seconds = 0.0
  /// The state of the phase's schedule.
  package var schedule: ScheduleMemory?
  package var history: [EpochRecord] = []
  /// The results of each finished phase on the test images, if there are any.
  package var phaseResults: [PhaseResult] = []
  /// The size of the logs when this was written.
  package var logLengths: [String: Int] = [:]
  /// The hexadecimal SHA-256 of the split; `nil` if written by a version without it.
  package var splitDigest: String?
  /// The hexadecimal SHA-256 of the network with its initial weights; `nil` as above.
  package var networkDigest: String?
  /// The preprocessing, in the form of network metadata; `nil` as above.
  package var preparation: [String: String]?
  /// A remark that another preprocessing seemed better than the assumed one.
  package var preparationRemark: String?

  /// The results of a phase.
  package struct PhaseResult: Sendable, Codable, Hashable {
    /// From 1.
    package var phase: Int
    package var loss: Double
    package var accuracy: Double
    package var count: Int
  }

  package init() {}

  mutating func startEpoch() {
    batch = 0
    lossSum = 0
    correctCount = 0
    imageCount = 0
    seconds = 0
  }
}

/// Early stopping, and the best epoch. Both depend only on the history.
extension RunState {
  /// The records of the current phase.
  var recordsOfPhase: [EpochRecord] {
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
