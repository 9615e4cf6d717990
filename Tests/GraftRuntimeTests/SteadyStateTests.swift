import CTestSupport
import Foundation
import GraftExecution
import GraftRuntime
import GraftTensor
import Testing

/// What long-running programs count on.
@Suite struct SteadyStateTests {
  @Test(arguments: [1, 2, 4]) func steadyStateAllocatesNothing(threads: Int) throws {
    var options = Executable.Options()
    options.threadCount = threads
    let session = Session(try Executable(ConvolutionNetwork.graph(), options: options))
    let x = [try ConvolutionNetwork.input([2, 3, 24, 20])]
    let y = [try Tensor(zeros: .float, shape: [2, 10])]
    for _ in 0..<5 { try session.run(x, into: y) }
    // Other tests may run beside this one, so only this thread counts. It also runs the workers'
    // part.
    let before = allocation_counter_thread_count()
    for _ in 0..<20 { try session.run(x, into: y) }
    #expect(allocation_counter_thread_count() == before)
  }

  @Test func sessionsAtOnceGiveTheSameBits() throws {
    var options = Executable.Options()
    options.threadCount = 3
    let executable = try Executable(ConvolutionNetwork.graph(), options: options)
    let pool = ThreadPool(threadCount: 8)
    let shapes = [[1, 3, 16, 16], [2, 3, 20, 12], [3, 3, 9, 31]]
    let expected = try shapes.map { shape in
      try Session(executable, pool: pool).run([try ConvolutionNetwork.input(shape)])[0]
        .elements(as: Float.self)
    }
    let wrong = FailureCount()
    DispatchQueue.concurrentPerform(iterations: 8) { caller in
      let session = Session(executable, pool: pool)
      for run in 0..<60 {
        let index = (caller + run) % shapes.count
        let result = try? session.run([try ConvolutionNetwork.input(shapes[index])])[0]
          .elements(as: Float.self)
        if result != expected[index] { wrong.add() }
      }
    }
    #expect(wrong.value == 0)
    #expect(pool.workerCount <= 2)
  }

  /// Plans come and go with the shapes, and nothing of them stays. In a process of its own, where
  /// no other test takes memory meanwhile.
  @Test func steadyStateDoesNotGrowMemory() async {
    await #expect(processExitsWith: .success) {
      let session = Session(try Executable(ConvolutionNetwork.graph()))
      func run(_ number: Int) throws {
        let shape = [1 + number % 3, 3, 4 + number % 17, 4 + number % 13]
        _ = try session.run([try ConvolutionNetwork.input(shape)])
      }
      for number in 0..<2_000 { try run(number) }
      let packed = session.executable.packedConstants.byteCount
      let before = try SteadyStateTests.residentByteCount()
      for number in 2_000..<12_000 { try run(number) }
      let growth = try SteadyStateTests.residentByteCount() - before
      // The allocator's own movements are some hundred kilobytes.
      #expect(growth < 4 << 20, "grown by \(growth) bytes")
      #expect(session.executable.packedConstants.byteCount == packed)
    }
  }

  private static func residentByteCount() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return try #require(pages) * Int(getpagesize())
  }
}

/// Counts from several threads.
private final class FailureCount: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0

  func add() { lock.withLock { count += 1 } }
  var value: Int { lock.withLock { count } }
}
