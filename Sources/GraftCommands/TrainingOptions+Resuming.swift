import Graft
import GraftFiles
import GraftTraining

/// How runs go on.
extension TrainingOptions {
  /// The folder of a fold, counted from 1.
  func foldFolder(_ number: Int) -> String { "\(output)/fold\(number)" }

  /// What goes on with an interrupted run.
  func continuation(_ command: String) -> String {
    var words = [command, data, "--output", output]
    if let crossValidate { words += ["--cross-validate", "\(crossValidate)"] }
    if maxBad != 100 { words += ["--max-bad", "\(maxBad)"] }
    if recompute { words.append("--recompute") }
    return (words + ["--resume"]).map(Terminal.quoted).joined(separator: " ")
  }

  /// What goes on with a run that came to its end, with a phase more.
  func continuationWithMoreEpochs(_ command: String, of recipe: Recipe) -> String {
    let epochs = recipe.phases.prefix(recipe.enteredPhaseCount).map(\.epochs) + [5]
    return continuation(command) + " --epochs " + epochs.map { "\($0)" }.joined(separator: ",")
  }

  /// The recipe of the run that goes on, or of the first fold.
  ///
  /// - Throws: `GraftError` if the folder holds no such run, or it cannot be read.
  func savedRecipe() throws -> Recipe {
    let (folder, other) =
      crossValidate == nil ? (output, foldFolder(1)) : (foldFolder(1), output)
    guard FileSystem.exists(FineTuningRun.recipePath(folder)) else {
      let holdsOther = FileSystem.exists(FineTuningRun.recipePath(other))
      throw GraftError(
        .noInput,
        "holds no run \(crossValidate != nil && holdsOther ? "of folds " : "")to go on with",
        places: [output],
        hint: !holdsOther
          ? "Leave --resume out"
          : crossValidate == nil
            ? "It holds those of --cross-validate; say that again"
            : "It holds one without folds; leave --cross-validate out")
    }
    if let crossValidate { try requireFolds(crossValidate) }
    return try FineTuningRun.saved(in: folder) { _ in false }.recipe
  }

  /// - Throws: `GraftError` if the folder shows that it is of another number of folds: there are more, or all ended.
  private func requireFolds(_ count: Int) throws {
    let begun = (1...1000).prefix {
      FileSystem.exists(FineTuningRun.recipePath(foldFolder($0)))
    }.count
    let isWhole = FileSystem.exists("\(output)/\(CrossValidationSummary.jsonName)")
    guard isWhole ? begun != count : begun > count else { return }
    throw GraftError.usage(
      "the run in \(output) has \(isWhole ? "" : "at least ")\(begun) folds, not \(count)",
      hint: "Say --cross-validate as in the beginning, or start another run with --output")
  }
}
