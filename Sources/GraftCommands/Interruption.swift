import CGraftShims
import Foundation

/// Ctrl-C and SIGTERM ask a run to stop after its step, and say so at once; a second one stops the process.
final class Interruption {
  private static let status: Int32 = 130

  init() {
    graft_watch_interruption(
      Interruption.text("stopping after this step and saving; press Ctrl-C again to stop at once"),
      Interruption.text("stopped at once; --resume goes on from the last checkpoint"),
      Interruption.status)
  }

  var isRequested: Bool { graft_interruption_is_requested() }

  /// A line of its own, should a bar of progress stand there. The signal handler keeps it.
  private static func text(_ line: String) -> UnsafePointer<CChar>? {
    UnsafePointer(strdup((Terminal.isErrorTerminal ? "\r\u{1b}[K" : "") + line + "\n"))
  }
}
