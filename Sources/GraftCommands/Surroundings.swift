import Graft
import GraftExecution
import GraftFiles
import GraftModels

/// The environment variables that commands go by.
enum Surroundings {
  /// - Throws: `GraftError` if a variable has a value that means nothing.
  static func check() throws {
    _ = try ThreadPool.chosenThreadCount()
    _ = try InstructionSet.chosen()
    _ = try ModelCache.standard()
    _ = try ModelStore.isOffline(environment: ModelStore.environmentVariable)
    if let home = ModelStore.environmentVariable("GRAFT_HOME") { try checkFolder(home) }
  }

  /// The tuning record; says so if there is one that is not used.
  static func tuningRecord() -> TuningRecord? {
    guard let file = TuningFile.standard() else { return nil }
    do {
      try file.check()
    } catch {
      let advice =
        file.isOwn ? "; `chmod 600 \(Terminal.quoted(file.path))` makes it yours alone" : ""
      CommandLineProgram.warn("the tuning record is not used: \(error)\(advice)")
    }
    return file.read()
  }

  /// Closes a folder of the cache that others may write to them, and says so.
  ///
  /// - Throws: `GraftError` if that cannot be, or should not
  static func closeFolder(_ path: String) throws {
    guard try TextFile.closeFolder(path) else { return }
    CommandLineProgram.note("other users could write \(path); its mode is 700 now")
  }

  private static func checkFolder(_ path: String) throws {
    // A folder that is not there yet is made when it is needed.
    guard let status = FileSystem.status(of: path) else {
      guard errno == ENOENT else { throw unusable(path, GraftError.systemReason()) }
      return
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw unusable(path, "Not a directory") }
    if path.withFileName({ access($0, W_OK) }) != 0 {
      CommandLineProgram.warn(
        "GRAFT_HOME is '\(path)', which cannot be written; nothing is kept there")
    }
  }

  private static func unusable(_ path: String, _ reason: String) -> GraftError {
    GraftError.usage(
      "GRAFT_HOME is '\(path)', which is no usable folder: \(reason)",
      hint: "Set it to the folder for models, or unset it")
  }
}
