import Foundation
import GraftExecution
import GraftRuntime
import GraftTensor
import Synchronization
import Testing

/// Callers, workers and sessions that meet in every way. `tools/test tsan` runs this under
/// ThreadSanitizer: results lie in plain memory, so that a missing order is a race.
@Suite struct ThreadStressTests {
  private struct Failure: Error, Equatable { let task: Int }

  /// Runs a body on several threads at once, `rounds` times on each; returns how many rounds
  /// failed.
  private func countFailures(
    callers: Int, rounds: Int, _ body: @Sendable (_ caller: Int, _ round: Int) throws -> Bool
  ) -> Int {
    let failures = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: callers) { caller in
      for round in 0..<rounds {
        let isRight = (try? body(caller, round)) ?? false
        if !isRight { failures.wrappingAdd(1, ordering: .relaxed) }
      }
    }
    return failures.load(ordering: .relaxed)
  }

  @Test func callersSeeWhatTheirTasksWrote() {
    let pool = ThreadPool(threadCount: 4)
    let failures = countFailures(callers: 5, rounds: 200) { caller, round in
      let count = 1 + (caller * 7 + round) % 40
      let results = try pool.map(count, threads: 1 + round % 4) { $0 * 3 + round }
      return results == (0..<count).map { $0 * 3 + round }
    }
    #expect(failures == 0)
  }

  /// A task that runs kernels does so on its own thread, as the workers are taken.
  @Test func tasksCallThePool() {
    let pool = ThreadPool(threadCount: 4)
    let failures = countFailures(callers: 3, rounds: 40) { _, _ in
      let sums = try pool.map(9, threads: 4) { outer in
        try pool.map(12, threads: 4) { $0 * outer }.reduce(0, +)
      }
      return sums == (0..<9).map { 66 * $0 }
    }
    #expect(failures == 0)
  }

  /// The error is that of the failing task with the lowest number, and the next run has none.
  @Test func failuresReachTheirCallers() {
    let pool = ThreadPool(threadCount: 4)
    let failures = countFailures(callers: 4, rounds: 100) { caller, round in
      let first = (caller * 5 + round) % 30
      do {
        _ = try pool.map(30, threads: 4) { task in
          guard task < first || (task - first) % 4 != 0 else { throw Failure(task: task) }
          return task
        }
        return false
      } catch let error as Failure {
        guard error == Failure(task: first) else { return false }
      }
      return try pool.map(30, threads: 4) { $0 } == Array(0..<30)
    }
    #expect(failures == 0)
  }

  /// Workers fall asleep between runs, and are woken.
  @Test func sleepersWakeUp() throws {
    let pool = ThreadPool(threadCount: 4)
    for round in 0..<20 {
      usleep(20_000)
      #expect(try pool.map(64, threads: 4) { $0 + round } == (0..<64).map { $0 + round })
    }
    #expect(pool.workerCount == 3)
  }

  @Test func poolsComeAndGo() {
    let failures = countFailures(callers: 3, rounds: 40) { _, round in
      let pool = ThreadPool(threadCount: 3)
      return try pool.map(20, threads: 3) { $0 + round } == (0..<20).map { $0 + round }
    }
    #expect(failures == 0)
  }

  /// Sessions of one executable run for the first time at once: constants are packed for all of
  /// them.
  @Test func sessionsShareAnExecutable() throws {
    var options = Executable.Options()
    options.threadCount = 3
    let shapes = [[1, 3, 16, 16], [2, 3, 12, 20]]
    let pool = ThreadPool(threadCount: 4)
    let expected = try shapes.map { shape in
      try Session(Executable(ConvolutionNetwork.graph(), options: options), pool: pool)
        .run([try ConvolutionNetwork.input(shape)])[0].elements(as: Float.self)
    }
    for _ in 0..<5 {
      let executable = try Executable(ConvolutionNetwork.graph(), options: options)
      let failures = countFailures(callers: 4, rounds: 1) { caller, _ in
        let session = Session(executable, pool: pool)
        for round in 0..<4 {
          let index = (caller + round) % shapes.count
          let output = try session.run([try ConvolutionNetwork.input(shapes[index])])[0]
          guard try output.elements(as: Float.self) == expected[index] else { return false }
        }
        return true
      }
      #expect(failures == 0)
    }
  }
}
