/// Multiplies the learning rate by `decay` when the loss has not decreased for some epochs.
///
/// Source: <https://keras.io/api/callbacks/reduce_lr_on_plateau/>
package struct ReduceOnPlateau: LearningRateSchedule {
  package var decay: Double
  /// The number of epochs without a smaller loss before a reduction.
  package var patience: Int
  /// The smallest decrease of the loss that counts.
  package var minimumChange: Double
  /// The number of epochs after a reduction that do not count.
  package var cooldown: Int
  /// The smallest factor.
  package var minimum: Double

  private var notes = ScheduleMemory()

  package init(
    decay: Double = 0.1, patience: Int = 10, minimumChange: Double = 1e-4, cooldown: Int = 0,
    minimum: Double = 0
  ) {
    self.decay = decay
    self.patience = patience
    self.minimumChange = minimumChange
    self.cooldown = cooldown
    self.minimum = minimum
  }

  package func factor(step: Int, stepsPerEpoch: Int, stepCount: Int) -> Double { notes.factor }

  package var memory: ScheduleMemory? {
    get { notes }
    set { notes = newValue ?? ScheduleMemory() }
  }

  package mutating func epochEnded(loss: Double) {
    if notes.cooldown > 0 {
      notes.cooldown -= 1
      notes.wait = 0
    }
    if notes.best.map({ loss + minimumChange < $0 }) ?? true {
      notes.best = loss
      notes.wait = 0
      return
    }
    guard notes.cooldown == 0 else { return }
    notes.wait += 1
    guard notes.wait >= patience, notes.factor > minimum else { return }
    notes.factor = max(notes.factor * decay, minimum)
    notes.cooldown = cooldown
    notes.wait = 0
  }
}
