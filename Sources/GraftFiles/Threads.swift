/// Starts a thread; whoever needs its end joins it, all others detach it.
///
/// - Returns: `nil` if the system gives no more threads
package func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
  let context = Unmanaged.passRetained(ThreadBody(body))
  #if canImport(Darwin)
    var thread: pthread_t?
  #else
    var thread = pthread_t()
  #endif
  let status = pthread_create(
    &thread, nil,
    { context in
      // Darwin promises a context, Linux does not.
      let context: UnsafeMutableRawPointer? = context
      guard let context else { return nil }
      Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
      return nil
    }, context.toOpaque())
  guard status == 0 else {
    context.release()
    return nil
  }
  return thread
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void

  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// A lock, and a place to sleep until something that it guards has changed.
package final class Condition: Sendable {
  private nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(
    capacity: 1)
  private nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(
    capacity: 1)

  package init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  package func lock() { pthread_mutex_lock(mutex) }
  package func unlock() { pthread_mutex_unlock(mutex) }

  /// Gives the lock away until ``broadcast()``, or for no reason at all.
  package func wait() { pthread_cond_wait(condition, mutex) }
  package func broadcast() { pthread_cond_broadcast(condition) }
}

/// Work on threads of its own, which the process can wait for before it ends.
package final class BackgroundWork: Sendable {
  private let condition = Condition()
  private nonisolated(unsafe) var count = 0

  package init() {}

  /// Starts some work; does it at once if there is no thread for it.
  package func begin(_ work: @escaping @Sendable () -> Void) {
    add(1)
    let thread = startThread { [self] in
      work()
      add(-1)
    }
    if let thread {
      pthread_detach(thread)
    } else {
      work()
      add(-1)
    }
  }

  /// Returns when all work is done.
  package func wait() {
    condition.lock()
    while count > 0 { condition.wait() }
    condition.unlock()
  }

  private func add(_ change: Int) {
    condition.lock()
    count += change
    condition.broadcast()
    condition.unlock()
  }
}
