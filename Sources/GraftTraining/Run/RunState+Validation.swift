import GraftFiles

extension RunState {
  /// How many images the parts of the data have.
  struct ImageCounts {
    var training: Int
    var validation: Int
    var test: Int
  }

  /// - Throws: `GraftError` if a run of this recipe on so many images cannot stand here: files may be damaged.
  func validate(for recipe: Recipe, _ counts: ImageCounts) throws {
    func require(_ condition: Bool, _ what: String) throws {
      guard condition else {
        throw GraftError.badData(
          "the checkpoint is damaged: \(what)",
          hint: "Restore it, or start another run with --output")
      }
    }
    let stepCount = (counts.training + recipe.batchSize - 1) / recipe.batchSize
    try require((0...recipe.phases.count).contains(phase), "it stands in phase \(phase)")
    let epochCount = phase < recipe.phases.count ? recipe.phases[phase].epochs : 0
    try require((0...epochCount).contains(epoch), "it stands in epoch \(epoch) of \(epochCount)")
    let isInEpoch = epoch < epochCount
    try require(
      (0...(isInEpoch ? stepCount : 0)).contains(batch), "it stands at batch \(batch)")
    try require(step == epoch * stepCount + batch, "it stands at step \(step)")
    try require(
      imageCount == min(batch * recipe.batchSize, counts.training)
        && (0...imageCount).contains(correctCount),
      "it has seen \(imageCount) images, \(correctCount) rightly")
    try require(lossSum.isFinite && seconds.isFinite && seconds >= 0, "its sums are no numbers")
    if let schedule {
      try require(
        schedule.factor.isFinite && schedule.factor >= 0
          && (0...1_000_000_000).contains(schedule.wait)
          && (0...1_000_000_000).contains(schedule.cooldown),
        "its schedule's notes make no sense")
    }
    try require(historyFits(recipe, counts), "its history does not lead there")
    // The last phase keeps its place when it was tested.
    let testedCount = counts.test == 0 ? 0 : max(phase, min(phaseResults.count, phase + 1))
    try require(
      phaseResults.map(\.phase) == Array(1...max(1, testedCount)).prefix(testedCount).map { $0 }
        && testedCount <= recipe.phases.count
        && phaseResults.allSatisfy {
          $0.count == counts.test && $0.loss.isFinite && (0...1).contains($0.accuracy)
        },
      "it has \(phaseResults.count) results of phases")
    try require(logLengths.values.allSatisfy { $0 >= 0 }, "its logs have negative lengths")
  }

  /// Whether the records are those of all epochs up to here, in order.
  private func historyFits(_ recipe: Recipe, _ counts: ImageCounts) -> Bool {
    var records = history[...]
    for (number, settings) in recipe.phases.enumerated().prefix(phase + 1) {
      var count = 0
      while let record = records.first, record.phase == number + 1 {
        count += 1
        guard record.epoch == count, (record.validationLoss != nil) == (counts.validation > 0),
          (record.validationAccuracy != nil) == (counts.validation > 0), record.isSound
        else { return false }
        records.removeFirst()
      }
      if number == phase {
        guard count == epoch else { return false }
      } else {
        guard
          count == settings.epochs
            || recipe.earlyStopping != nil && (1..<max(1, settings.epochs)).contains(count)
        else { return false }
      }
    }
    return records.isEmpty
  }
}

extension EpochRecord {
  /// Whether each number is one that an epoch can come to.
  fileprivate var isSound: Bool {
    loss.isFinite && validationLoss?.isFinite ?? true && (0...1).contains(accuracy)
      && (0...1).contains(validationAccuracy ?? 0) && learningRate.isFinite && seconds.isFinite
      && seconds >= 0 && imagesPerSecond.isFinite
  }
}
