import GraftFiles

/// Raises the learning rate linearly from `start` to 1, and lowers it along a half cosine to `end`,
/// which it reaches in the last step of the phase.
///
/// Source: `CosineDecay`, <https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay/>;
/// Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
/// <https://arxiv.org/abs/1608.03983>
package struct CosineSchedule: LearningRateSchedule {
  /// The number of epochs of the linear increase.
  package var warmUp: Double
  /// Factors at the start (with a warm-up) and at the end.
  package var start: Double
  package var end: Double

  package init(warmUp: Double = 0, start: Double = 0, end: Double = 0) {
    self.warmUp = warmUp
    self.start = start
    self.end = end
  }

  package static var dependsOnStepCount: Bool { true }

  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double {
    let rising = (warmUp * Double(stepsPerEpoch)).rounded()
    let step = Double(step)
    if step < rising { return start + (1 - start) * step / rising }
    let falling = Double(stepCount) - rising
    guard falling > 0 else { return 1 }
    let share = min(1, (step - rising) / falling)
    return end + (1 - end) * 0.5 * (1 + cos(.pi * share))
  }
}
