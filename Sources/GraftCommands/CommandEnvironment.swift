import Graft
import GraftExecution
import GraftFiles
import GraftModels

/// The environment of commands: variables and the cache folder.
enum CommandEnvironment {
  /// - Throws: `GraftError` if a variable has an invalid value
  static func check() throws {
    _ = try ThreadPool.chosenThreadCount()
    _ = try InstructionSet.chosen()
    _ = try ModelCache.standard()
    _ = try ModelStore.isOffline(environment: ModelStore.environmentVariable)
    if let home = ModelStore.environmentVariable("GRAFT_HOME") { try checkFolder(home) }
  }

  /// The tuning record; warns if it cannot be used.
  static func tuningRecord() -> TuningRecord? {
    guard let file = TuningFile.standard() else { return nil }
    do {
      try file.check()
    } catch {
      let advice =
        file.isOwn ? "; `chmod 600 \(Terminal.quoted(file.path))` makes it private" : ""
      CommandLineProgram.warn("the tuning record is not used: \(error)\(advice)")
    }
    return file.read()
  }

  /// Makes a cache folder that others may write to private, with a note.
  ///
  /// - Throws: `GraftError` if that is impossible or inappropriate
  static func closeFolder(_ path: String) throws {
    guard try TextFile.closeFolder(path) else { return }
    CommandLineProgram.note("other users could write to \(path); its mode is now 700")
  }

  private static func checkFolder(_ path: String) throws {
    // A missing folder is created when it is needed.
    guard let status = FileSystem.status(of: path) else {
      guard errno == ENOENT else { throw unusable(path, GraftError.systemReason()) }
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw unusable(path, "Not a directory") }
    if path.withFileName({ access($0, W_OK) }) != 0 {
      CommandLineProgram.warn(
        "GRAFT_HOME is '\(path)', which is not writable; nothing is cached there")
    }
  }

  private static func unusable(_ path: String, _ reason: String) -> GraftError {
    GraftError.usage(
      "GRAFT_HOME is '\(path)', which is not a usable folder: \(reason)",
      hint: "Set it to a folder for models, or unset it")
  }
}
