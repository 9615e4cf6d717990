import GraftFiles

/// Lowers the learning rate with each step, by a factor of `decay` per given number of epochs:
/// `decay^(step / steps)`.
///
/// Source: <https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay/>
package struct ExponentialSchedule: LearningRateSchedule {
  package var epochs: Double
  package var decay: Double

  package init(epochs: Double = 1, decay: Double = 0.96) {
    self.epochs = epochs
    self.decay = decay
  }

  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double {
    pow(decay, Double(step) / (epochs * Double(max(1, stepsPerEpoch))))
  }
}
