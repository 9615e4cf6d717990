import GraftFiles
import GraftTraining

/// Shows a run: a bar per epoch on a terminal, a line per epoch elsewhere.
///
/// Training continues if the output cannot be written; the error is reported at the end.
final class TrainingProgress: TrainingObserver {
  private let interruption: Interruption
  private var lastDrawn = ContinuousClock.now
  private var startOfEpoch = ContinuousClock.now
  /// When the last line for an epoch of this phase was printed.
  private var lastLine: ContinuousClock.Instant?

  init(_ interruption: Interruption) { self.interruption = interruption }

  var isInterrupted: Bool { interruption.isRequested }

  func phaseStarted(_ phase: PhaseSummary) {
    let share = 100 * Double(phase.trainedWeightCount) / Double(max(1, phase.weightCount))
    try? print(
      "phase \(phase.number) of \(phase.phaseCount): "
        + "\(phase.recipe.epochs.counting("epoch")), "
        + "\(phase.recipe.optimizer) \(phase.recipe.learningRate), "
        + "training \(phase.trainedWeightCount) of "
        + "\(phase.weightCount) weights (" + String(printf: "%.1f %%", share) + ")")
    try? print(
      "  features of the frozen part: \(Terminal.bytes(phase.featureBytes)) per image, "
        + (phase.keepsFeatures ? "computed once" : "computed in every epoch")
        + (phase.variantCount.map { " for each of \($0) variants" } ?? "") + Self.archived(phase))
    startOfEpoch = .now
    lastLine = nil
  }

  private static func archived(_ phase: PhaseSummary) -> String {
    let (count, archivedCount) = phase.features
    guard archivedCount > 0 else { return "" }
    return archivedCount == count
      ? "; all cached by an earlier run"
      : "; \(archivedCount) of \(count) cached by an earlier run"
  }

  func stepEnded(_ progress: StepProgress) {
    guard Terminal.isOutputTerminal else { return }
    let now = ContinuousClock.now
    guard now - lastDrawn > .milliseconds(100) || progress.step == progress.stepCount else {
      return
    }
    lastDrawn = now
    let share = Double(progress.step) / Double(max(1, progress.stepCount))
    let left = (now - startOfEpoch) / .seconds(1) * (1 - share) / max(share, 1e-9)
    try? Output.redrawLine(
      "\(heading(progress)) \(Terminal.bar(share, width: 20)) "
        + String(
          printf: "loss %.4f  accuracy %.2f %%  %.0f images/s  %.0f s left", progress.loss,
          progress.accuracy * 100, progress.imagesPerSecond, left))
  }

  func epochEnded(_ record: EpochRecord, progress: StepProgress) {
    let now = ContinuousClock.now
    startOfEpoch = now
    // Epochs of milliseconds are not printed each; log.csv has them all.
    let isShown =
      lastLine.map { now - $0 > .milliseconds(500) } ?? true
      || progress.epoch == progress.epochCount
    guard isShown else { return }
    lastLine = now
    var text = heading(progress)
    text += String(printf: "  loss %.4f  accuracy %.2f %%", record.loss, record.accuracy * 100)
    if let loss = record.validationLoss, let accuracy = record.validationAccuracy {
      text += String(printf: "  validation %.4f, %.2f %%", loss, accuracy * 100)
    }
    // Cached features say nothing about speed.
    text +=
      record.seconds < 0.1
      ? String(printf: "  %.0f ms", record.seconds * 1000)
      : String(printf: "  %.1f s, %.0f images/s", record.seconds, record.imagesPerSecond)
    if Terminal.isOutputTerminal {
      try? Output.redrawLine(text, terminator: "\n")
    } else {
      try? print(text)
    }
  }

  func restoredBest(_ record: EpochRecord, isEarly: Bool) {
    let end = isEarly ? "stopped early, as the loss did not improve" : "at the end"
    try? print("  \(end): using the weights of epoch \(record.epoch)")
  }

  private func heading(_ progress: StepProgress) -> String {
    let width = "\(progress.epochCount)".count
    let number = "\(progress.epoch)"
    let padding = String(repeating: " ", count: max(0, width - number.count))
    return "  epoch \(padding)\(number)/\(progress.epochCount)"
  }
}
