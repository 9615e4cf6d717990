/// How the learning rate changes in the course of a phase; each in a file of its own.
package protocol LearningRateSchedule: Sendable {
  /// What the phase's learning rate is multiplied by; a function of the position and of ``memory`` alone.
  ///
  /// - Parameters:
  ///   - step: the number of the step in the phase, from 0
  ///   - stepsPerEpoch: steps of one epoch
  ///   - stepCount: steps of the whole phase
  func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double

  /// Takes note of what an epoch came to: the loss on validation data if there are any.
  mutating func epochEnded(loss: Double)

  /// Whether the rate of a step depends on how many there are in the phase.
  static var dependsOnStepCount: Bool { get }

  /// What the schedule took note of so far, for checkpoints; `nil` if it takes no notes.
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

/// What a schedule that watches the loss remembers of a phase.
package struct ScheduleMemory: Sendable, Codable, Hashable {
  /// What the learning rate is multiplied by now.
  package var factor = 1.0
  /// The smallest loss so far.
  package var best: Double?
  /// Epochs without a smaller one.
  package var wait = 0
  /// Epochs left in which none counts.
  package var cooldown = 0

  package init() {}
}

/// The same learning rate all the time.
package struct ConstantSchedule: LearningRateSchedule {
  package init() {}
  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double { 1 }
}
