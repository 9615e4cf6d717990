import Foundation
import GraftFiles
import GraftRuntime

extension Executable {
  /// As ``storeCompiledForm()``, on a thread of its own if threads are allowed. A cache that cannot be
  /// written is none. The process does not end before that thread has.
  func storeCompiledFormBeside() {
    if options.threadCount == 1 || !Executable.exitAwaitsStoring {
      _ = try? storeCompiledForm()
    } else {
      Executable.storing.enter()
      Thread.detachNewThread {
        _ = try? self.storeCompiledForm()
        Executable.storing.leave()
      }
    }
  }

  private static let storing = DispatchGroup()

  /// Libraries take themselves apart when a process exits, and the thread computes with libcrypto. Handlers
  /// run in reverse order: the digest is there to have libcrypto register its own first.
  private static let exitAwaitsStoring: Bool = {
    guard (try? SHA256Digest(of: "")) != nil else { return false }
    return atexit { Executable.storing.wait() } == 0
  }()
}
