import GraftFiles
import GraftRuntime

extension Compilation {
  /// Like ``store(_:)``, on a separate thread if threads are allowed. An unwritable cache is
  /// ignored. The process waits for the thread at exit.
  func storeBeside(_ executable: Executable) {
    if executable.options.threadCount == 1 || !Compilation.exitAwaitsStoring {
      _ = try? store(executable)
    } else {
      Compilation.storing.begin { _ = try? store(executable) }
    }
  }

  private static let storing = BackgroundWork()

  /// At exit, libraries are torn down, but the thread still uses libcrypto. Handlers run in reverse
  /// order, so computing a digest first makes libcrypto register its own earlier.
  private static let exitAwaitsStoring: Bool = {
    guard (try? SHA256Digest(of: "")) != nil else { return false }
    return atexit { Compilation.storing.wait() } == 0
  }()
}
