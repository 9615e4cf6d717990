/// How the learning rate changes in the course of a phase; each in a file of its own.
package protocol LearningRateSchedule: Sendable {
  /// What the phase's learning rate is multiplied by.
  ///
  /// - Parameters:
  ///   - step: the number of the step in the phase, from 0
  ///   - stepsPerEpoch: steps of one epoch
  ///   - stepCount: steps of the whole phase
  func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double
}

/// The same learning rate all the time.
package struct ConstantSchedule: LearningRateSchedule {
  package init() {}
  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double { 1 }
}
