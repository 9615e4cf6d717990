import CGraftShims
import GraftFiles

/// On Ctrl-C or SIGTERM, the run stops after its step, with an immediate message; a second signal
/// stops the process.
final class Interruption {
  private static let status: Int32 = 130

  init() {
    graft_watch_interruption(
      Interruption.text("stopping after this step and saving; press Ctrl-C again to stop at once"),
      Interruption.text("stopped at once; --resume continues from the last checkpoint"),
      Interruption.status)
  }

  var isRequested: Bool { graft_interruption_is_requested() }

  /// A line of its own, since a progress bar may be there. The signal handler keeps it.
  private static func text(_ line: String) -> UnsafePointer<CChar>? {
    UnsafePointer(strdup((Terminal.isErrorTerminal ? "\r\u{1b}[K" : "") + line + "\n"))
  }
}
