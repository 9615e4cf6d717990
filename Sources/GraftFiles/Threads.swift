/// Starts a thread; callers that need its end join it, others detach it.
///
/// - Returns: `nil` if the system has no more threads
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
      // The context is not optional on Darwin.
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

/// A lock, and a condition for changes of the state that it guards.
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

  /// Releases the lock until ``broadcast()``; may also return spuriously.
  package func wait() { pthread_cond_wait(condition, mutex) }
  package func broadcast() { pthread_cond_broadcast(condition) }
}

/// Work on its own threads; the process can wait for it before it ends.
package final class BackgroundWork: Sendable {
  private let condition = Condition()
  private nonisolated(unsafe) var count = 0

  package init() {}

  /// Starts some work; runs it immediately if there is no thread for it.
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
