import GraftTraining

/// Observes training and may stop it. By default, each method continues training.
public protocol TrainingCallback: AnyObject {
  /// Called after each step.
  func stepEnded(_ step: TrainingStep) throws -> TrainingDecision
  /// Called after each epoch.
  func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision
}

/// Whether to continue training.
public enum TrainingDecision: Sendable {
  case `continue`
  /// Saves the current state; ``FineTuning/fit(callbacks:)`` returns false.
  case stop
}

extension TrainingCallback {
  /// Continues training.
  public func stepEnded(_ step: TrainingStep) throws -> TrainingDecision { .continue }

  /// Continues training.
  public func epochEnded(_ epoch: TrainingEpoch) throws -> TrainingDecision { .continue }
}

/// One step of training.
public struct TrainingStep: Sendable, Hashable {
  /// From 1.
  public var phase: Int
  /// Within the phase, from 1.
  public var epoch: Int
  /// Within the epoch, from 1.
  public var step: Int
  /// The number of steps in the epoch.
  public var stepCount: Int
  /// The mean over the step's images, including penalties.
  public var loss: Double
}

/// The results of one epoch.
public struct TrainingEpoch: Sendable, Hashable {
  /// From 1.
  public var phase: Int
  /// Within the phase, from 1.
  public var epoch: Int
  /// The mean over the images during training.
  public var loss: Double
  /// The fraction of images classified correctly during training.
  public var accuracy: Double
  /// The loss on the validation images; `nil` if there are none.
  public var validationLoss: Double?
  /// The accuracy on the validation images.
  public var validationAccuracy: Double?
  /// The learning rate of the last step.
  public var learningRate: Double
  /// The speed of training, including reading images.
  public var imagesPerSecond: Double
}

/// Forwards events to callbacks, and remembers whether one wants to stop.
final class CallbackObserver: TrainingObserver {
  private let callbacks: [any TrainingCallback]
  private(set) var isInterrupted = false

  init(_ callbacks: [any TrainingCallback]) { self.callbacks = callbacks }

  func stepEnded(_ progress: StepProgress) throws {
    let step = TrainingStep(
      phase: progress.phase, epoch: progress.epoch, step: progress.step,
      stepCount: progress.stepCount, loss: progress.stepLoss)
    for callback in callbacks where try callback.stepEnded(step) == .stop { isInterrupted = true }
  }

  func epochEnded(_ record: EpochRecord, progress: StepProgress) throws {
    let epoch = TrainingEpoch(
      phase: record.phase, epoch: record.epoch, loss: record.loss, accuracy: record.accuracy,
      validationLoss: record.validationLoss, validationAccuracy: record.validationAccuracy,
      learningRate: record.learningRate, imagesPerSecond: record.imagesPerSecond)
    for callback in callbacks where try callback.epochEnded(epoch) == .stop { isInterrupted = true }
  }
}
