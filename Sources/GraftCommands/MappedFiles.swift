import CGraftMapping
import GraftFiles

/// Models and cache files are mapped. The system sends SIGBUS when a mapped file was shortened or
/// becomes unreadable.
enum MappedFiles {
  /// Turns that signal into a message.
  static func watch() {
    let text =
      "\(CommandLineProgram.errorPrefix)a file in use was shortened, or became unreadable. "
      + "Run the command again; replace files only by renaming new ones"
    // The signal handler keeps it. A line of its own, since a progress bar may be there.
    let line = (Terminal.isErrorTerminal ? "\r\u{1b}[K" : "") + text + "\n"
    graft_mapping_watch(strdup(line), GraftError.Code.inputOutput.rawValue)
  }
}
