import Graft
import GraftFiles
import GraftTraining

/// Continuing runs.
extension TrainingOptions {
  /// The folder of a fold, counted from 1.
  func foldFolder(_ number: Int) -> String { "\(output)/fold\(number)" }

  /// The arguments that continue an interrupted run.
  func continuation(_ command: String) -> String {
    var words = [command, data, "--output", output]
    if let crossValidate { words += ["--cross-validate", "\(crossValidate)"] }
    if maxBad != 100 { words += ["--max-bad", "\(maxBad)"] }
    if recompute { words.append("--recompute") }
    return (words + ["--resume"]).map(Terminal.quoted).joined(separator: " ")
  }

  /// The arguments that continue a finished run with another phase.
  func continuationWithMoreEpochs(_ command: String, of recipe: Recipe) -> String {
    let epochs = recipe.phases.prefix(recipe.enteredPhaseCount).map(\.epochs) + [5]
    return continuation(command) + " --epochs " + epochs.map { "\($0)" }.joined(separator: ",")
  }

  /// The recipe of the run to continue, or of its first fold.
  ///
  /// - Throws: `GraftError` if the folder has no such run, or it cannot be read
  func savedRecipe() throws -> Recipe {
    let (folder, other) =
      crossValidate == nil ? (output, foldFolder(1)) : (foldFolder(1), output)
    guard RunFolder(folder).hasRun else {
      let holdsOther = RunFolder(other).hasRun
      throw GraftError(
        .noInput,
        "has no run \(crossValidate != nil && holdsOther ? "with folds " : "")to resume",
        places: [output],
        hint: !holdsOther
          ? "Omit --resume"
          : crossValidate == nil
            ? "It has the folds of --cross-validate; repeat that option"
            : "It has a run without folds; omit --cross-validate")
    }
    if let crossValidate { try requireFolds(crossValidate) }
    return try RunFolder(folder).saved { _ in false }.recipe
  }

  /// - Throws: `GraftError` if the folder has a run or its folds, among whose files another one's
  ///   would be
  func requireNoRun() throws {
    let hasFolds = RunFolder(foldFolder(1)).hasRun
    guard hasFolds || RunFolder(output).hasRun else { return }
    let isSame = hasFolds == (crossValidate != nil)
    let free = "--output \(RunFolder(output).nextFreePath)"
    throw GraftError(
      .cannotCreate, hasFolds ? "already has the folds of --cross-validate" : "already has a run",
      places: [output],
      hint: isSame
        ? "Continue with --resume, or start another run with \(free)"
        : "Choose another folder, such as \(free)")
  }

  /// - Throws: `GraftError` if the folder has another number of folds: more, or fewer that are all
  ///   finished
  private func requireFolds(_ count: Int) throws {
    let begun = (1...1000).prefix { RunFolder(foldFolder($0)).hasRun }.count
    let isWhole = FileSystem.exists("\(output)/\(CrossValidationSummary.jsonName)")
    guard isWhole ? begun != count : begun > count else { return }
    throw GraftError.usage(
      "the run in \(output) has \(isWhole ? "" : "at least ")\(begun) folds, not \(count)",
      hint: "Repeat the original --cross-validate, or start another run with --output")
  }
}
