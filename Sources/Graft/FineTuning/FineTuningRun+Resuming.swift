import GraftFiles
import GraftTraining
import GraftVision

/// What a run asks of its folder before it goes on.
extension FineTuningRun {
  /// Says what more epochs mean for a run that goes on.
  func sayWhatChanges(from checkpoint: Checkpoint) {
    for (number, (old, new)) in zip(checkpoint.recipe.phases, recipe.phases).enumerated()
    where old.epochs != new.epochs {
      let done = fineTuner.state.history.count { $0.phase == number + 1 }
      let schedule = try? Schedules.named(new.schedule)
      if done < min(old.epochs, new.epochs), number < fineTuner.state.phase || fineTuner.isFinished
      {
        remark("phase \(number + 1) stopped early after epoch \(done); more epochs change nothing")
      } else if done > 0, let schedule, type(of: schedule).dependsOnStepCount {
        remark(
          "the schedule '\(new.schedule)' of phase \(number + 1) was that of \(old.epochs) epochs up to here, and is "
            + "that of \(new.epochs) from here; a run with \(new.epochs) from the start comes to other weights"
        )
      }
    }
  }

  /// The recipe in the folder of a run, and where the run stands; `nil` if nothing of it was saved.
  ///
  /// - Parameter isWanted: the names of the checkpoint's values that are read
  /// - Throws: `GraftError` if one of both cannot be read, the recipe is none that leads to the checkpoint, or a checkpoint
  ///   that was saved is missing.
  package static func saved(
    in folder: String, where isWanted: (String) -> Bool = { _ in true }
  ) throws -> (recipe: Recipe, checkpoint: Checkpoint?) {
    let recipe = try Recipe(path: recipePath(folder))
    let path = checkpointPath(folder)
    guard FileSystem.exists(path) else {
      try requireNothingTrained(in: folder)
      return (recipe, nil)
    }
    let checkpoint = try Checkpoint(path: path, where: isWanted)
    guard checkpoint.recipe.isBeginning(of: recipe) else {
      throw GraftError.badData(
        "is not the recipe that the run's checkpoint was trained with",
        hint: "Undo what was changed in it, or start another run with --output"
      ).at(recipePath(folder))
    }
    return (recipe, checkpoint)
  }

  /// A run that was killed before it saved anything has the first epoch in its log at most, and comes to the same again.
  ///
  /// - Throws: `GraftError` if the run in the folder, which has no checkpoint, had one
  private static func requireNothingTrained(in folder: String) throws {
    let path = checkpointPath(folder)
    let logPath = "\(folder)/log.csv"
    // A log that is too long to be of one epoch, or cannot be read, is of more.
    let log = try? TextFile.read(logPath, limit: 1 << 16)
    let lineCount = log?.utf8.count { $0 == UInt8(ascii: "\n") } ?? .max
    let hasEpochs = FileSystem.exists(logPath) && lineCount > 2
    let others = [path, "\(folder)/model.onnx"]
    guard hasEpochs || others.contains(where: { FileSystem.statusOfLink($0) != nil }) else {
      return
    }
    let hasBest = FileSystem.isRegularFile("\(folder)/best.npz")
    throw GraftError.badData(
      "is missing, and the run cannot go on without it",
      hint: "Restore it, "
        + (hasBest ? "put a copy of best.npz in its place to go on from the best epoch, " : "")
        + "or start another run with --output"
    ).at(path)
  }

  /// - Throws: `GraftError` if the network is another one than in the beginning: the checkpoint has only those weights
  ///   that are trained.
  func requireSameNetwork(_ digest: String, since checkpoint: Checkpoint) throws {
    guard checkpoint.state.networkDigest.map({ $0 == digest }) ?? true else {
      throw GraftError.badData(
        "is not the network that the run began with",
        hint: "Restore it, go on with the version of Graft that the run began with, or start "
          + "another run with --output"
      ).at(recipe.weights ?? recipe.model)
    }
  }

  /// How images are prepared, as checkpoints have it.
  var preparation: [String: String] {
    Dictionary(uniqueKeysWithValues: preprocessing.metadata.map { ($0.key.text, $0.value) })
  }

  /// - Throws: `GraftError` if images are prepared in another way than in the beginning: where the recipe leaves it open,
  ///   the network says it.
  func requireSamePreparation(since checkpoint: Checkpoint) throws {
    // What a later version adds is as it was before.
    let before = checkpoint.state.preparation ?? [:]
    let now = preparation
    // The scheme decides most of the others.
    let keys = [Preprocessing.MetadataKey.name.rawValue] + before.keys.sorted()
    guard let key = keys.first(where: { before[$0] != nil && now[$0] != before[$0] }) else {
      return
    }
    throw GraftError.badData(
      "'\(key)' is '\(now[key] ?? "")', and was '\(before[key] ?? "")' when the run began",
      hint: "Restore what the network says of its images, or start another run with --output"
    ).at(recipe.model)
  }

  /// - Returns: the digest of the file that says which image is in which part
  /// - Throws: `GraftError` if that file was changed, or the images are not those that the run began with; their
  ///   folder may have moved.
  static func requireSameImages(
    _ split: SplitFile, in folder: String, since checkpoint: Checkpoint
  ) throws -> String {
    let splitPath = splitPath(folder)
    let written = try SplitFile(path: splitPath)
    let digest = try SplitFile.digest(path: splitPath)
    guard checkpoint.state.splitDigest.map({ $0 == digest }) ?? true else {
      throw GraftError.badData(
        "was changed after the run began",
        hint: "Restore it, or start another run with --output"
      ).at(splitPath)
    }
    guard split.isSame(as: written) else {
      throw GraftError.usage(
        "the images are not those that the run in \(folder) began with",
        hint: "Give it the same data (with --cross-validate, in as many folds), or start another "
          + "run with --output")
    }
    return digest
  }

  var bestPath: String { "\(folder)/best.npz" }

  /// Reads the best epoch's checkpoint; errors say what to do about it.
  func withBest<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try withPlace(bestPath, body)
    } catch let error as GraftError {
      var error = error
      error.hint =
        error.hint
        ?? "Restore it, or remove it: model.onnx may then have the weights of the last epoch, not of the best"
      throw error
    }
  }

  /// - Throws: `GraftError` if the best epoch's checkpoint is there, and none that this run came by. That of a later epoch
  ///   than the run stands at, which a run that was killed may have, is made again.
  func requireBest() throws {
    let history = fineTuner.state.history
    guard !data.validation.isEmpty, let best = history.bestIndex, FileSystem.exists(bestPath)
    else { return }
    try withBest {
      let records = try Checkpoint(path: bestPath) { _ in false }.state.history
      guard records.agrees(with: history),
        records.count == best + 1 || records.count > history.count
      else { throw GraftError.badData("is not the checkpoint of epoch \(best + 1), the best one") }
    }
  }
}
