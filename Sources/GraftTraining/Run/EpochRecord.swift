/// The results of one epoch.
package struct EpochRecord: Sendable, Codable, Hashable {
  /// From 1.
  package var phase: Int
  /// Within the phase, from 1.
  package var epoch: Int
  /// Means over the images during training, with changing weights and active dropout.
  package var loss: Double
  package var accuracy: Double
  package var validationLoss: Double?
  package var validationAccuracy: Double?
  package var learningRate: Double
  package var seconds: Double
  package var imagesPerSecond: Double

  package enum CodingKeys: String, CodingKey, CaseIterable {
    case phase, epoch, loss, accuracy
    case validationLoss = "val_loss"
    case validationAccuracy = "val_accuracy"
    case learningRate = "learning_rate"
    case seconds
    case imagesPerSecond = "images_per_second"
  }
}

/// Observes a run: a progress bar, a log. By default, each method does nothing, and nothing stops
/// the run.
package protocol TrainingObserver: AnyObject {
  func phaseStarted(_ phase: PhaseSummary) throws
  func stepEnded(_ progress: StepProgress) throws
  func epochEnded(_ record: EpochRecord, progress: StepProgress) throws
  /// A phase with early stopping returns to the weights of an epoch; `isEarly` says whether it ends
  /// before its last epoch.
  func restoredBest(_ record: EpochRecord, isEarly: Bool) throws
  /// Whether to stop the run; read after each step, and during evaluations.
  var isInterrupted: Bool { get }
}

extension TrainingObserver {
  package func phaseStarted(_ phase: PhaseSummary) throws {}
  package func stepEnded(_ progress: StepProgress) throws {}
  package func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {}
  package func restoredBest(_ record: EpochRecord, isEarly: Bool) throws {}
  package var isInterrupted: Bool { false }
}

/// The settings of a phase that is about to start.
package struct PhaseSummary: Sendable {
  /// From 1.
  package var number: Int
  package var phaseCount: Int
  package var recipe: Recipe.Phase
  /// The elements of trained and of all weights.
  package var trainedWeightCount: Int
  package var weightCount: Int
  package var trainedLayerNames: [String]
  /// The bytes of one image's features at the cut, and whether they are cached.
  package var featureBytes: Int
  package var keepsFeatures: Bool
  /// The number of features to cache, and how many of these an earlier run computed.
  package var features: (count: Int, archivedCount: Int)
  /// The number of cached variants of each training image; `nil` without a fixed number.
  package var variantCount: Int?
}

/// The state of a run after a step.
package struct StepProgress: Sendable {
  package var phase: Int
  package var epoch: Int
  package var epochCount: Int
  /// Completed steps of this epoch, and all of them.
  package var step: Int
  package var stepCount: Int
  /// Steps since the start of the run.
  package var totalStep: Int
  /// The loss of this step alone.
  package var stepLoss: Double
  /// Means over the epoch so far.
  package var loss: Double
  package var accuracy: Double
  package var imagesPerSecond: Double
}

/// The records of a run, or of one of its phases.
extension [EpochRecord] {
  /// The number of epochs since the loss last decreased.
  package var epochsWithoutBetter: Int { bestIndex.map { count - 1 - $0 } ?? 0 }

  /// The index of the epoch with the smallest ``EpochRecord/watchedLoss``, the first one among
  /// equals.
  package var bestIndex: Int? { indices.min { self[$0].watchedLoss < self[$1].watchedLoss } }

  /// Whether both histories agree in their common epochs.
  package func agrees(with other: [EpochRecord]) -> Bool {
    zip(self, other).allSatisfy {
      ($0.phase, $0.epoch, $0.watchedLoss) == ($1.phase, $1.epoch, $1.watchedLoss)
    }
  }
}

extension EpochRecord {
  /// The loss that measures the weights: on validation data, or in training without such data.
  package var watchedLoss: Double { validationLoss ?? loss }
}
