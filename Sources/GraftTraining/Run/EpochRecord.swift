/// What one epoch came to.
package struct EpochRecord: Sendable, Codable, Hashable {
  /// From 1.
  package var phase: Int
  /// Within the phase, from 1.
  package var epoch: Int
  /// Means over the images, as training saw them: weights changed meanwhile, and dropout was on.
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

/// Follows a run: a progress bar, a log. Each method does nothing by default, and nothing stops the run.
package protocol TrainingObserver: AnyObject {
  func phaseStarted(_ phase: PhaseSummary) throws
  func stepEnded(_ progress: StepProgress) throws
  func epochEnded(_ record: EpochRecord, progress: StepProgress) throws
  /// A phase with early stopping goes back to the weights of an epoch; `isEarly` says whether it ends before its time.
  func tookBest(_ record: EpochRecord, isEarly: Bool) throws
  /// Whether the run is to stop; asked after each step, and in evaluations.
  var isInterrupted: Bool { get }
}

extension TrainingObserver {
  package func phaseStarted(_ phase: PhaseSummary) throws {}
  package func stepEnded(_ progress: StepProgress) throws {}
  package func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {}
  package func tookBest(_ record: EpochRecord, isEarly: Bool) throws {}
  package var isInterrupted: Bool { false }
}

/// What a phase is about to do.
package struct PhaseSummary: Sendable {
  /// From 1.
  package var number: Int
  package var phaseCount: Int
  package var recipe: Recipe.Phase
  /// Elements of trained and of all weights.
  package var trainedWeightCount: Int
  package var weightCount: Int
  package var trainedLayerNames: [String]
  /// Bytes of one image's features where the cut is, and whether they are kept.
  package var featureBytes: Int
  package var keepsFeatures: Bool
  /// How many features are going to be kept, and how many of these an earlier run computed.
  package var features: (count: Int, archivedCount: Int)
  /// How many variants of each training image take turns; `nil` if there is no fixed number.
  package var variantCount: Int?
}

/// Where a run stands after a step.
package struct StepProgress: Sendable {
  package var phase: Int
  package var epoch: Int
  package var epochCount: Int
  /// Steps of this epoch that were done, and all of them.
  package var step: Int
  package var stepCount: Int
  /// Steps since the run began.
  package var totalStep: Int
  /// The loss of this step alone.
  package var stepLoss: Double
  /// Means over the epoch so far.
  package var loss: Double
  package var accuracy: Double
  package var imagesPerSecond: Double
}
