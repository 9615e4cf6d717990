import GraftFiles

/// Runs `work` on `count` threads, including the caller's, and waits for all of them.
///
/// If the system cannot create all threads, fewer run it, at least the caller's: `work` takes tasks
/// until none are left. Dispatch queues would wait for threads forever.
func withThreads(_ count: Int, _ work: @Sendable () -> Void) {
  withoutActuallyEscaping(work) { work in
    let task = ConcurrentTask(work)
    var threads: [pthread_t] = []
    for _ in 1..<max(1, count) {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(task)
      let status = pthread_create(
        &thread, nil,
        { context in
          guard let context else { return nil }
          Unmanaged<ConcurrentTask>.fromOpaque(context).takeRetainedValue().work()
          return nil
        }, context.toOpaque())
      guard status == 0 else {
        context.release()
        break
      }
      threads.append(thread)
    }
    task.work()
    for thread in threads { pthread_join(thread, nil) }
  }
}

private final class ConcurrentTask: Sendable {
  let work: @Sendable () -> Void

  init(_ work: @escaping @Sendable () -> Void) { self.work = work }
}
