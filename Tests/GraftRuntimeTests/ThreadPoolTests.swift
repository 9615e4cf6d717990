import Foundation
import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
  /// Burns some time in a way that the result tells of.
  private static func work(_ seed: Int) -> UInt64 {
    var state = UInt64(seed) &+ 1
    for _ in 0..<20_000 { state = state &* 6_364_136_223_846_793_005 &+ 1 }
    return state
  }

  @Test func oneThreadNeedsNoWorkers() throws {
    let pool = ThreadPool(threadCount: 8)
    let caller = pthread_self()
    let isHere = try pool.map(50, threads: 1) { _ in pthread_equal(pthread_self(), caller) != 0 }
    #expect(!isHere.contains(false))
    #expect(pool.workerCount == 0)
  }

  @Test func workersAreStartedAsNeeded() throws {
    let pool = ThreadPool(threadCount: 8)
    _ = try pool.map(50, threads: 3) { ThreadPoolTests.work($0) }
    #expect(pool.workerCount == 2)
    _ = try pool.map(2, threads: 8) { ThreadPoolTests.work($0) }
    #expect(pool.workerCount == 2)
  }

  /// Callers that come at once all get their results, from no more workers than one of them asked
  /// for.
  @Test func manyCallersShareTheWorkers() throws {
    let pool = ThreadPool(threadCount: 8)
    let expected = (0..<40).map { ThreadPoolTests.work($0) }
    let wrong = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 6) { _ in
      for _ in 0..<50 {
        let results = try? pool.map(40, threads: 3) { ThreadPoolTests.work($0) }
        if results != expected { wrong.withLock { $0 += 1 } }
      }
    }
    #expect(wrong.withLock { $0 } == 0)
    #expect(pool.workerCount <= 2)
  }

  /// With as many callers as threads, the workers stand back: they start no task while both callers
  /// are at work, but the one they may have been about to start when the second came.
  @Test func workersStandBackForCallers() throws {
    let pool = ThreadPool(threadCount: 2)
    let workingCallers = Atomic(0)
    let endingCallers = Atomic(0)
    let started = Atomic(0)
    let finished = Atomic(0)
    let excess = Atomic(0)
    let threads = (0..<2).map { caller in
      Thread {
        started.wrappingAdd(1, ordering: .relaxed)
        while started.load(ordering: .relaxed) < 2 { sched_yield() }
        let body: PreparedKernel.Body = { arguments, task in
          if task == 199 { endingCallers.bitwiseOr(1 << caller, ordering: .sequentiallyConsistent) }
          if arguments.worker == 0 {
            workingCallers.bitwiseOr(1 << caller, ordering: .sequentiallyConsistent)
          } else if workingCallers.load(ordering: .sequentiallyConsistent) == 3,
            endingCallers.load(ordering: .sequentiallyConsistent) == 0
          {
            excess.wrappingAdd(1, ordering: .relaxed)
          }
          _ = ThreadPoolTests.work(task)
        }
        let phase = PreparedKernel.Phase(taskCount: 200, body: body)
        try? pool.run([phase], .none, threads: 2)
        finished.wrappingAdd(1, ordering: .relaxed)
      }
    }
    for thread in threads { thread.start() }
    while finished.load(ordering: .relaxed) < 2 { usleep(1000) }
    #expect(excess.load(ordering: .relaxed) <= 2)
  }

  @Test func callersKeepTheirFloatingPointState() throws {
    var graph = Graph()
    let x = graph.addInput(name: "x", type: TensorType(.float, [.symbol("N")]))
    graph.outputs = [graph.addNode("Relu", [x])]
    let session = Session(try Executable(graph))
    let denormal = Float.leastNonzeroMagnitude
    _ = try session.run([try Tensor([denormal, 1, -1], shape: [3])])
    let half = Float.leastNormalMagnitude * Float(graph.nodes.count) / 2
    #expect(half != 0 && half.isSubnormal)
  }
}
