import GraftFiles

/// Runs `work` on `count` threads, including the caller's, and waits for all of them.
///
/// If the system cannot create all threads, fewer run it, at least the caller's: `work` takes tasks
/// until none are left. Dispatch queues would wait for threads forever.
func withThreads(_ count: Int, _ work: @Sendable () -> Void) {
  withoutActuallyEscaping(work) { work in
    var threads: [pthread_t] = []
    for _ in 1..<max(1, count) {
      guard let thread = startThread(work) else { break }
      threads.append(thread)
    }
    work()
    for thread in threads { pthread_join(thread, nil) }
  }
}
