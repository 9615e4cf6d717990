import Foundation
import GraftFiles
import GraftRuntime

extension Executable {
  /// Like ``storeCompiledForm()``, on a separate thread if threads are allowed. An unwritable cache
  /// is ignored. The process waits for the thread at exit.
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

  /// At exit, libraries are torn down, but the thread still uses libcrypto. Handlers run in reverse
  /// order, so computing a digest first makes libcrypto register its own earlier.
  private static let exitAwaitsStoring: Bool = {
    guard (try? SHA256Digest(of: "")) != nil else { return false }
    return atexit { Executable.storing.wait() } == 0
  }()
}
