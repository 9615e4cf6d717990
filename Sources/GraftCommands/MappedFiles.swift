import CGraftMapping
import Foundation
import GraftFiles

/// Models and files of the cache are mapped, and the system sends SIGBUS to whoever reads a part of a mapped file that
/// is not there any more.
enum MappedFiles {
  /// Makes a message of that.
  static func watch() {
    let text =
      "\(CommandLineProgram.errorPrefix)a file in use was shortened, or cannot be read any more. "
      + "Run the command again, and replace files only by renaming new ones"
    // The signal handler keeps it. A line of its own, should a bar of progress stand there.
    let line = (Terminal.isErrorTerminal ? "\r\u{1b}[K" : "") + text + "\n"
    graft_mapping_watch(strdup(line), GraftError.Code.inputOutput.rawValue)
  }
}
