import GraftFiles

extension RunState {
  /// The number of images in each part of the data.
  struct ImageCounts {
    var training: Int
    var validation: Int
    var test: Int
  }

  /// - Throws: `GraftError` if a run of this recipe on that many images cannot have this state:
  ///   files may be damaged
  func validate(for recipe: Recipe, _ counts: ImageCounts) throws {
    func require(_ condition: Bool, _ what: String) throws {
      guard condition else {
        throw GraftError.badData(
          "the checkpoint is damaged: \(what)",
          hint: "Restore it, or start another run with --output")
      }
    }
    let stepCount = (counts.training + recipe.batchSize - 1) / recipe.batchSize
    try require((0...recipe.phases.count).contains(phase), "it is in phase \(phase)")
    let epochCount = phase < recipe.phases.count ? recipe.phases[phase].epochs : 0
    try require((0...epochCount).contains(epoch), "it is in epoch \(epoch) of \(epochCount)")
    let isInEpoch = epoch < epochCount
    try require(
      (0...(isInEpoch ? stepCount : 0)).contains(batch), "it is at batch \(batch)")
    try require(step == epoch * stepCount + batch, "it is at step \(step)")
    try require(
      imageCount == min(batch * recipe.batchSize, counts.training)
        && (0...imageCount).contains(correctCount),
      "it counts \(imageCount) images, \(correctCount) of them correct")
    try require(lossSum.isFinite && seconds.isFinite && seconds >= 0, "its sums are not valid")
    if let schedule {
      try require(
        schedule.factor.isFinite && schedule.factor >= 0
          && (0...1_000_000_000).contains(schedule.wait)
          && (0...1_000_000_000).contains(schedule.cooldown),
        "the state of its schedule is invalid")
    }
    try require(historyFits(recipe, counts), "its history does not match its state")
    // The last phase stays current when it was tested.
    let testedCount = counts.test == 0 ? 0 : max(phase, min(phaseResults.count, phase + 1))
    try require(
      phaseResults.map(\.phase) == Array(1...max(1, testedCount)).prefix(testedCount).map { $0 }
        && testedCount <= recipe.phases.count
        && phaseResults.allSatisfy {
          $0.count == counts.test && $0.loss.isFinite && (0...1).contains($0.accuracy)
        },
      "it has \(phaseResults.count) phase results")
    try require(logLengths.values.allSatisfy { $0 >= 0 }, "its logs have negative lengths")
  }

  /// Whether the records are those of all epochs so far, in order.
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
  /// Whether each number is a possible result of an epoch.
  fileprivate var isSound: Bool {
    loss.isFinite && validationLoss?.isFinite ?? true && (0...1).contains(accuracy)
      && (0...1).contains(validationAccuracy ?? 0) && learningRate.isFinite && seconds.isFinite
      && seconds >= 0 && imagesPerSecond.isFinite
  }
}
