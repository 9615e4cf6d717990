import GraftData
import GraftFiles
import GraftTraining
import GraftVision

/// Checks of a run's folder before it is resumed.
extension FineTuningRun {
  /// Notes the effect of more epochs on a resumed run.
  func noteChanges(from checkpoint: Checkpoint) {
    for (number, (old, new)) in zip(checkpoint.recipe.phases, recipe.phases).enumerated()
    where old.epochs != new.epochs {
      let done = fineTuner.state.history.count { $0.phase == number + 1 }
      let schedule = try? Schedules.named(new.schedule)
      if done < min(old.epochs, new.epochs), number < fineTuner.state.phase || fineTuner.isFinished
      {
        remark("phase \(number + 1) stopped early after epoch \(done); more epochs change nothing")
      } else if done > 0, let schedule, type(of: schedule).dependsOnStepCount {
        remark(
          "the schedule '\(new.schedule)' of phase \(number + 1) was for "
            + "\(old.epochs.counting("epoch")) so far, and is now for \(new.epochs); a run with "
            + "\(new.epochs) from the start gives other weights")
      }
    }
  }

  /// - Throws: `GraftError` if the network has changed: the checkpoint only has the trained weights
  func requireSameNetwork(_ digest: String, since checkpoint: Checkpoint) throws {
    guard checkpoint.state.networkDigest.map({ $0 == digest }) ?? true else {
      throw GraftError.badData(
        "is not the network that the run started with",
        hint: "Restore it, use the version of Graft that the run started with, or start "
          + "another run with --output"
      ).at(recipe.weights ?? recipe.model)
    }
  }

  /// The preprocessing, as stored in checkpoints.
  var preparation: [String: String] {
    Dictionary(uniqueKeysWithValues: preprocessing.metadata.map { ($0.key.text, $0.value) })
  }

  /// - Throws: `GraftError` if the preprocessing has changed; the network defines what the recipe
  ///   does not
  func requireSamePreparation(since checkpoint: Checkpoint) throws {
    // A setting added by a later version is unchanged.
    let before = checkpoint.state.preparation ?? [:]
    let now = preparation
    // The scheme determines most of the others.
    let keys = [Preprocessing.MetadataKey.name.rawValue] + before.keys.sorted()
    guard let key = keys.first(where: { before[$0] != nil && now[$0] != before[$0] }) else {
      return
    }
    throw GraftError.badData(
      "'\(key)' is '\(now[key] ?? "")', but was '\(before[key] ?? "")' when the run started",
      hint: "Restore the network's preprocessing, or start another run with --output"
    ).at(recipe.model)
  }

  /// - Returns: the digest of the file that assigns images to parts
  /// - Throws: `GraftError` if that file was changed, or the images are not those that the run
  ///   started with; their folder may have moved
  static func requireSameImages(
    _ split: SplitFile, in folder: RunFolder, since checkpoint: Checkpoint
  ) throws -> String {
    let splitPath = folder.path(of: .split)
    let written = try SplitFile(path: splitPath)
    let digest = try SplitFile.digest(path: splitPath)
    guard checkpoint.state.splitDigest.map({ $0 == digest }) ?? true else {
      throw GraftError.badData(
        "was changed after the run started",
        hint: "Restore it, or start another run with --output"
      ).at(splitPath)
    }
    guard split.isSame(as: written) else {
      throw GraftError.usage(
        "the images are not those that the run in \(folder.path) started with",
        hint: "Use the same data (with --cross-validate, the same number of folds), or start "
          + "another run with --output")
    }
    return digest
  }

  /// Reads the best epoch's checkpoint; errors say what to do.
  func withBest<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try withPlace(folder.path(of: .best), body)
    } catch let error as GraftError {
      var error = error
      error.hint =
        "Restore it, or remove it: model.onnx may then have the weights of the last epoch"
      throw error
    }
  }

  /// - Throws: `GraftError` if the best epoch's checkpoint exists but is not of this run. After a
  ///   kill it may be of a later epoch than the run's state; that epoch is repeated.
  func requireBest() throws {
    let history = fineTuner.state.history
    guard !data.validation.isEmpty, let best = history.bestIndex,
      FileSystem.exists(folder.path(of: .best))
    else { return }
    try withBest {
      let records = try Checkpoint(path: folder.path(of: .best)) { _ in false }.state.history
      guard records.agrees(with: history),
        records.count == best + 1 || records.count > history.count
      else { throw GraftError.badData("is not the checkpoint of the best epoch \(best + 1)") }
    }
  }
}
