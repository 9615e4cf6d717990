/// How the learning rate changes during a phase.
package protocol LearningRateSchedule: Sendable {
  /// The factor of the phase's learning rate; depends only on the position and on ``memory``.
  ///
  /// - Parameters:
  ///   - step: the number of the step in the phase, from 0
  ///   - stepsPerEpoch: the steps of one epoch
  ///   - stepCount: the steps of the whole phase
  func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double

  /// Receives the loss of an epoch, on validation data if there are any.
  mutating func epochEnded(loss: Double)

  /// Whether the rate of a step depends on the number of steps in the phase.
  static var dependsOnStepCount: Bool { get }

  /// The state of the schedule for checkpoints; `nil` if it has none.
  var memory: ScheduleMemory? { get set }
}

extension LearningRateSchedule {
  package mutating func epochEnded(loss: Double) {}

  package static var dependsOnStepCount: Bool { false }

  package var memory: ScheduleMemory? {
    get { nil }
    set {}
  }
}

/// The state of a schedule that depends on the loss.
package struct ScheduleMemory: Sendable, Codable, Hashable {
  /// The current factor of the learning rate.
  package var factor = 1.0
  /// The smallest loss so far.
  package var best: Double?
  /// The number of epochs since then.
  package var wait = 0
  /// The number of remaining epochs that do not count.
  package var cooldown = 0

  package init() {}
}

/// A constant learning rate.
package struct ConstantSchedule: LearningRateSchedule {
  package init() {}
  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double { 1 }
}
