import GraftTraining

/// Follows training and may end it. Each method lets it go on by default.
public protocol TrainingCallback: AnyObject {
  /// After each step.
  func stepEnded(_ step: TrainingStep) throws -> TrainingDecision
  /// After each epoch.
  func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision
}

/// What is to follow.
public enum TrainingDecision: Sendable {
  case goOn
  /// Everything up to here is saved, and ``FineTuning/fit(callbacks:)`` returns false.
  case stop
}

extension TrainingCallback {
  /// Lets training go on.
  public func stepEnded(_ step: TrainingStep) throws -> TrainingDecision { .goOn }

  /// Lets training go on.
  public func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision { .goOn }
}

/// One step of training.
public struct TrainingStep: Sendable, Hashable {
  /// From 1.
  public var phase: Int
  /// Of the phase, from 1.
  public var epoch: Int
  /// Of the epoch, from 1.
  public var step: Int
  /// Steps of the epoch.
  public var stepCount: Int
  /// The mean over the step's images, penalties included.
  public var loss: Double
}

/// What one epoch came to.
public struct TrainingEpoch: Sendable, Hashable {
  /// From 1.
  public var phase: Int
  /// Of the phase, from 1.
  public var epoch: Int
  /// The mean over the images as training saw them.
  public var loss: Double
  /// The share of the images that training saw rightly.
  public var accuracy: Double
  /// The loss on the images set apart for that; `nil` if there are none.
  public var validationLoss: Double?
  /// The accuracy on these.
  public var validationAccuracy: Double?
  /// That of the last step.
  public var learningRate: Double
  /// Speed of training, reading of images included.
  public var imagesPerSecond: Double
}

/// Tells callbacks what happens, and remembers whether one wants to stop.
final class CallbackObserver: TrainingObserver {
  private let callbacks: [any TrainingCallback]
  private(set) var isStopped = false

  init(_ callbacks: [any TrainingCallback]) { self.callbacks = callbacks }

  func stepEnded(_ progress: StepProgress) throws {
    let step = TrainingStep(
      phase: progress.phase, epoch: progress.epoch, step: progress.step,
      stepCount: progress.stepCount, loss: progress.stepLoss)
    for callback in callbacks where try callback.stepEnded(step) == .stop { isStopped = true }
  }

  func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {
    let epoch = TrainingEpoch(
      phase: record.phase, epoch: record.epoch, loss: record.loss, accuracy: record.accuracy,
      validationLoss: record.validationLoss, validationAccuracy: record.validationAccuracy,
      learningRate: record.learningRate, imagesPerSecond: record.imagesPerSecond)
    for callback in callbacks where try callback.epochEnded(epoch) == .stop { isStopped = true }
  }
}
