import GraftFiles

extension FineTuner {
  /// Trains the first phase with a learning rate that increases with each step, until the loss
  /// diverges.
  ///
  /// The weights are useless afterwards: use this instead of ``run()``.
  ///
  /// - Returns: `nil` if it was interrupted
  package func findLearningRate() throws -> LearningRateRange? {
    try startPhase()
    guard let phase else { throw GraftError(.software, "the recipe has no phase") }
    for observer in observers { try observer.phaseStarted(summary(of: phase)) }
    var range = LearningRateRange()
    defer { phase.store.fillArchive() }
    while range.points.count < LearningRateRange.stepCount, !range.hasDiverged {
      for numbers in batchesOfEpoch() {
        let rate = LearningRateRange.rate(ofStep: range.points.count)
        guard
          let loss = try loss(of: numbers, phase, rate: rate, step: range.points.count + 1)
        else { return range }
        range.add(loss: loss)
        if isInterrupted { return nil }
        if range.points.count == LearningRateRange.stepCount || range.hasDiverged { break }
      }
      state.epoch += 1
    }
    return range
  }

  /// The loss of one step; `nil` if it is not finite, which ends the test.
  private func loss(
    of numbers: [Int], _ phase: RunningPhase, rate: Double, step: Int
  ) throws -> Double? {
    let inputs = try phase.store.features(of: numbers, augmentedIn: augmentationRound)
    let targets = try trainingTargets(numbers).tensor
    do {
      return Double(
        try phase.trainer.step(
          inputs: inputs, targets: targets, learningRate: Float(rate), step: step
        ).loss)
    } catch let error as GraftError where error.code == .badData {
      return nil
    }
  }
}
