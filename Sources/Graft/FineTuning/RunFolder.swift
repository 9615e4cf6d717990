import GraftFiles
import GraftTraining

/// The folder of a run and its files.
package struct RunFolder: Sendable {
  /// The files of a run, besides its logs.
  package enum File: String, CaseIterable {
    case checkpoint = "last.npz"
    case best = "best.npz"
    case initialHead = "initial-head.npz"
    case split = "split.csv"
    case recipe = "recipe.yaml"
    case model = "model.onnx"
    case trainingForm = "training.onnx"
    case evaluation = "evaluation.json"
    case curves = "curves.svg"
    case curvesImage = "curves.png"
    /// It is written last: a run without it is unfinished.
    case report = "report.html"
  }

  package let path: String

  package init(_ path: String) { self.path = path }

  package func path(of file: File) -> String { "\(path)/\(file.rawValue)" }

  /// Whether a run was started here.
  package var hasRun: Bool { FileSystem.exists(path(of: .recipe)) }

  /// The recipe in the folder of a run, and the run's state; `nil` if nothing was saved.
  ///
  /// - Parameter isWanted: selects the checkpoint's values to read, by name
  /// - Throws: `GraftError` if either cannot be read, the recipe does not match the checkpoint, or
  ///   a saved checkpoint is missing
  package func saved(
    where isWanted: (String) -> Bool = { _ in true }
  ) throws -> (recipe: Recipe, checkpoint: Checkpoint?) {
    let undo = "Undo the changes to it, or start another run with --output"
    let recipe: Recipe
    do {
      recipe = try Recipe(path: path(of: .recipe))
    } catch var error as GraftError where error.code == .badData {
      // The run wrote a valid one.
      error.hint = undo
      throw error
    }
    guard FileSystem.exists(path(of: .checkpoint)) else {
      try requireNothingTrained()
      return (recipe, nil)
    }
    let checkpoint = try Checkpoint(path: path(of: .checkpoint), where: isWanted)
    guard checkpoint.recipe.isBeginning(of: recipe) else {
      throw GraftError.badData(
        "is not the recipe of the run's checkpoint", hint: undo
      ).at(path(of: .recipe))
    }
    return (recipe, checkpoint)
  }

  /// A run that was killed before its first checkpoint has at most one epoch in its log, and can
  /// start again.
  ///
  /// - Throws: `GraftError` if the run in the folder has lost its checkpoint
  private func requireNothingTrained() throws {
    let logPath = "\(path)/log.csv"
    // A log that is too long for one epoch, or unreadable, counts as more.
    let log = try? TextFile.read(logPath, limit: 1 << 16)
    let lineCount = log?.utf8.count { $0 == UInt8(ascii: "\n") } ?? .max
    let hasEpochs = FileSystem.exists(logPath) && lineCount > 2
    let others = [path(of: .checkpoint), path(of: .model)]
    guard hasEpochs || others.contains(where: { FileSystem.statusOfLink($0) != nil }) else {
      return
    }
    let hasBest = FileSystem.isRegularFile(path(of: .best))
    throw GraftError.badData(
      "is missing, and the run cannot continue without it",
      hint: "Restore it, "
        + (hasBest ? "replace it by a copy of best.npz to continue from the best epoch, " : "")
        + "or start another run with --output"
    ).at(path(of: .checkpoint))
  }

  /// - Throws: `GraftError` if a file to be written exists, but is not a regular file
  func requireReplaceableFiles() throws {
    for path in File.allCases.map(path(of:))
    where FileSystem.exists(path) && !FileSystem.isRegularFile(path) {
      throw GraftError(
        .cannotCreate, "is not a regular file", places: [path],
        hint: "Remove it, or start another run with --output")
    }
  }

  /// Removes files that a killed run left unfinished; their names start with the file's name.
  func removeLeftovers() {
    _ = FileSystem.forEachEntry(inFolder: path) { name, _ in
      let isUnfinished = File.allCases.map(\.rawValue).contains { file in
        name.hasPrefix("\(file).part") || name.hasPrefix("\(file).") && name.hasSuffix(".tmp")
      }
      if isUnfinished { FileSystem.remove("\(path)/\(name)") }
    }
  }

  /// - Throws: `GraftError` if a new run would overwrite existing files, including the network's
  ///   own
  func requireNothingLost() throws {
    for name in File.allCases.map(\.rawValue) + RunLog.fileNames {
      guard FileSystem.statusOfLink("\(path)/\(name)") != nil else { continue }
      throw GraftError(
        .cannotCreate, "already exists, and a run would overwrite it",
        places: ["\(path)/\(name)"],
        hint: "Choose another folder, such as --output \(nextFreePath)")
    }
  }

  /// The first free folder with the same name and a higher number.
  package var nextFreePath: String {
    var name = path
    while name.count > 1, name.hasSuffix("/") { name.removeLast() }
    let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
    let number = digits < 10 ? Int(name.suffix(digits)) : nil
    let base = number == nil ? name : String(name.dropLast(digits))
    return ((number ?? 1) + 1...Int(Int32.max)).lazy.map { "\(base)\($0)" }
      .first { !FileSystem.exists($0) } ?? "\(name)-new"
  }

  /// - Throws: `GraftError` if the folder is a link, which would redirect a run of several folds
  package func requireOwn() throws {
    guard let status = FileSystem.statusOfLink(path), status.st_mode & S_IFMT != S_IFDIR
    else { return }
    throw GraftError(
      .cannotCreate, "is a link or not a folder", places: [path],
      hint: "Remove it, or choose another folder with --output")
  }

  /// Removes a result of an earlier end of the run.
  func remove(_ file: File) throws {
    let path = path(of: file)
    if FileSystem.exists(path), FileSystem.remove(path) != 0 { throw GraftError.writing(path) }
  }
}
