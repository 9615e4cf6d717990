import CGraftKernels
import GraftFiles
import GraftGraph
import Synchronization

/// The process's compute threads.
///
/// One caller at a time has the workers. Another concurrent caller runs its kernels on its own
/// thread, and one worker per such caller stays idle, so that the number of threads is never
/// exceeded. Workers are started on first use; a single thread needs none.
package final class ThreadPool: Sendable {
  /// The pool that all sessions share.
  package static let shared = ThreadPool(threadCount: maximumThreadCount)

  /// The processors granted by affinity and cgroups, or the value of `GRAFT_THREADS`.
  package static let defaultThreadCount: Int =
    (try? chosenThreadCount()) ?? min(GrantedProcessors.count(), maximumThreadCount)

  /// The value of `GRAFT_THREADS`; `nil` if it is not set.
  ///
  /// - Throws: `GraftError` if the value is invalid
  package static func chosenThreadCount() throws -> Int? {
    guard let text = FileSystem.environmentVariable("GRAFT_THREADS") else { return nil }
    guard let count = Int(text), (1...maximumThreadCount).contains(count) else {
      throw GraftError.usage(
        "invalid value '\(text)' for GRAFT_THREADS",
        hint: "Use a number from 1 to \(maximumThreadCount)")
    }
    return count
  }

  package static let maximumThreadCount = 256

  /// The number of threads, including the caller's.
  package let threadCount: Int
  private let state = PoolState()
  private let startedWorkers = Mutex(0)

  package init(threadCount: Int) {
    self.threadCount = max(1, min(threadCount, ThreadPool.maximumThreadCount))
  }

  deinit { state.stop() }

  /// The number of threads that the pool has started.
  package var workerCount: Int { startedWorkers.withLock { $0 } }

  /// Runs all phases of a kernel, on at most `threads` threads.
  ///
  /// All threads compute alike: rounding to nearest, with subnormal numbers as in IEEE 754 unless
  /// the kernel flushes them. The caller's floating-point state is restored.
  /// - Throws: the error of the failing task with the lowest number
  package func run(
    _ phases: [PreparedKernel.Phase], _ arguments: KernelArguments, threads: Int,
    flushesSubnormals: Bool = false
  ) throws {
    state.enter()
    let arithmetic = graft_cpu_set_arithmetic(flushesSubnormals ? 1 : 0)
    defer {
      graft_cpu_restore_state(arithmetic)
      state.leave()
    }
    for phase in phases {
      let participants = min(threads, threadCount, phase.taskCount)
      if participants <= 1 || !state.tryAcquire() {
        for task in 0..<phase.taskCount { try phase.body(arguments, task) }
        continue
      }
      defer { state.release() }
      startWorkers(participants - 1)
      let job = PoolState.Job(
        phase: phase, arguments: arguments, flushesSubnormals: flushesSubnormals)
      try state.run(job, participants: participants)
    }
  }

  private func startWorkers(_ count: Int) {
    startedWorkers.withLock { started in
      while started < count {
        started += 1
        state.startWorker(started)
      }
    }
  }
}

/// The state shared by pool and workers; lives as long as any worker.
///
/// A ticket has the job's generation in its upper half and the next task in its lower half. A
/// worker takes a task by exchanging the ticket, which fails if the job has changed. Only after
/// that does it access the job, which stays valid until all of its tasks are done.
private final class PoolState: Sendable {
  struct Job {
    let phase: PreparedKernel.Phase
    let arguments: KernelArguments
    let flushesSubnormals: Bool
  }

  private let isBusy = Atomic(false)
  private let isStopped = Atomic(false)
  private let ticket = Atomic<UInt64>(PoolState.closed)
  private let taskCount = Atomic(0)
  private let participants = Atomic(0)
  /// The callers that run kernels, with or without workers.
  private let callerCount = Atomic(0)
  private let jobAddress = Atomic<UInt>(0)
  private let doneCount = Atomic(0)
  private let sleeperCount = Atomic(0)
  private let failure = Mutex<(task: Int, error: any Error)?>(nil)
  private let hasFailure = Atomic(false)
  private let parking = Parking()

  private static let closed: UInt64 = 0xffff_ffff
  private static let spinCount = 2000

  func enter() { callerCount.wrappingAdd(1, ordering: .relaxed) }

  func leave() { callerCount.wrappingSubtract(1, ordering: .relaxed) }

  /// Whether a worker takes part in the job: one stays idle for each caller without workers.
  private func participates(_ worker: Int) -> Bool {
    worker == 0
      || worker < participants.load(ordering: .relaxed) - callerCount.load(ordering: .relaxed) + 1
  }

  func tryAcquire() -> Bool {
    isBusy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
  }

  func release() { isBusy.store(false, ordering: .releasing) }

  func run(_ job: Job, participants: Int) throws {
    let phase = job.phase
    withUnsafePointer(to: job) { address in
      let generation = (ticket.load(ordering: .relaxed) >> 32) &+ 1
      ticket.store(generation << 32 | PoolState.closed, ordering: .sequentiallyConsistent)
      taskCount.store(phase.taskCount, ordering: .relaxed)
      self.participants.store(participants, ordering: .relaxed)
      jobAddress.store(UInt(bitPattern: address), ordering: .relaxed)
      doneCount.store(0, ordering: .relaxed)
      ticket.store(generation << 32, ordering: .sequentiallyConsistent)
      if sleeperCount.load(ordering: .sequentiallyConsistent) > 0 { parking.wakeAll() }

      while takeTask(worker: 0) {}
      var spins = 0
      while doneCount.load(ordering: .acquiring) < phase.taskCount {
        spins += 1
        if spins < PoolState.spinCount * 4 { graft_cpu_pause() } else { sched_yield() }
      }
      // A late worker must not mistake this job for an open one.
      ticket.store(generation << 32 | PoolState.closed, ordering: .sequentiallyConsistent)
    }
    if hasFailure.load(ordering: .acquiring) {
      hasFailure.store(false, ordering: .relaxed)
      let error = failure.withLock { failure in
        defer { failure = nil }
        return failure?.error
      }
      if let error { throw error }
    }
  }

  /// Takes and runs one task; false if there is none.
  private func takeTask(worker: Int) -> Bool {
    while true {
      let current = ticket.load(ordering: .acquiring)
      let task = Int(current & 0xffff_ffff)
      let count = taskCount.load(ordering: .relaxed)
      let participates = participates(worker)
      let address = jobAddress.load(ordering: .relaxed)
      guard task < count, participates else { return false }
      guard
        ticket.compareExchange(
          expected: current, desired: current + 1, ordering: .acquiringAndReleasing
        ).exchanged
      else { continue }
      let job = UnsafePointer<Job>(bitPattern: address)!
      run(job.pointee, task: task, worker: worker)
      doneCount.wrappingAdd(1, ordering: .releasing)
      return true
    }
  }

  private func run(_ job: Job, task: Int, worker: Int) {
    var arguments = job.arguments
    arguments.worker = worker
    if worker > 0 { _ = graft_cpu_set_arithmetic(job.flushesSubnormals ? 1 : 0) }
    do {
      try job.phase.body(arguments, task)
    } catch {
      failure.withLock { failure in
        if failure == nil || failure!.task > task { failure = (task, error) }
      }
      hasFailure.store(true, ordering: .releasing)
    }
  }

  func startWorker(_ worker: Int) {
    // Without it, the caller does the work.
    if let thread = startThread({ [self] in work(worker) }) { pthread_detach(thread) }
  }

  private func work(_ worker: Int) {
    var spins = 0
    while !isStopped.load(ordering: .relaxed) {
      if takeTask(worker: worker) {
        spins = 0
        continue
      }
      spins += 1
      if spins < PoolState.spinCount {
        graft_cpu_pause()
        continue
      }
      spins = 0
      parking.sleep(
        enter: { sleeperCount.wrappingAdd(1, ordering: .sequentiallyConsistent) },
        leave: { sleeperCount.wrappingSubtract(1, ordering: .sequentiallyConsistent) },
        while: { [self] in
          let task = Int(ticket.load(ordering: .sequentiallyConsistent) & 0xffff_ffff)
          return !isStopped.load(ordering: .relaxed)
            && (task >= taskCount.load(ordering: .relaxed)
              || !participates(worker))
        })
    }
  }

  func stop() {
    isStopped.store(true, ordering: .sequentiallyConsistent)
    parking.wakeAll()
  }
}

/// Where idle workers sleep.
private final class Parking: Sendable {
  private let condition = Condition()

  func sleep(enter: () -> Void, leave: () -> Void, while shouldSleep: () -> Bool) {
    condition.lock()
    enter()
    while shouldSleep() { condition.wait() }
    leave()
    condition.unlock()
  }

  func wakeAll() {
    condition.lock()
    condition.broadcast()
    condition.unlock()
  }
}
