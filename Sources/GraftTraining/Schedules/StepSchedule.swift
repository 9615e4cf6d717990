import GraftFiles

/// Multiplies the learning rate by a factor every few epochs: `decay^⌊epoch / epochs⌋`.
///
/// Source: `ExponentialDecay` with `staircase=True`,
/// <https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/>; `StepLR` of
/// PyTorch
package struct StepSchedule: LearningRateSchedule {
  package var epochs: Int
  package var decay: Double

  package init(epochs: Int = 10, decay: Double = 0.1) {
    self.epochs = epochs
    self.decay = decay
  }

  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double {
    pow(decay, Double(step / max(1, epochs * stepsPerEpoch)))
  }
}
