import Foundation
import Synchronization

/// Ctrl-C and SIGTERM ask a run to stop after its step, and say so at once; a second one stops the process.
final class Interruption {
  private static let status: Int32 = 130
  private let flag = Flag()
  private let sources: [any DispatchSourceSignal]

  private final class Flag: Sendable {
    private let value = Mutex(false)

    var isSet: Bool { value.withLock { $0 } }

    /// - Returns: what it was before
    func set() -> Bool {
      value.withLock { value in
        defer { value = true }
        return value
      }
    }
  }

  init() {
    let flag = flag
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        guard flag.set() else {
          Interruption.say(
            "stopping after this step and saving; press Ctrl-C again to stop at once")
          return
        }
        Interruption.say("stopped at once; --resume goes on from the last checkpoint")
        // Other threads still work with what exit handlers would take down.
        _exit(Interruption.status)
      }
      source.resume()
      return source
    }
  }

  var isRequested: Bool { flag.isSet }

  /// On a line of its own, should a bar of progress stand there.
  private static func say(_ text: String) {
    if Terminal.isErrorTerminal { Output.redrawErrorLine("") }
    Output.writeError(text + "\n")
  }
}
