import Foundation
import GraftRuntime

extension Executable {
  /// As ``storeCompiledForm()``, on a thread of its own if threads are allowed. A cache that cannot be
  /// written is none.
  func storeCompiledFormBeside() {
    if options.threadCount == 1 {
      _ = try? storeCompiledForm()
    } else {
      Thread.detachNewThread { _ = try? self.storeCompiledForm() }
    }
  }
}
