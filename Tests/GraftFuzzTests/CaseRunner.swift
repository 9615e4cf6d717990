import Foundation
import GraftFiles
import Synchronization
import TestSupport
import Testing

/// Runs the cases of one kind of file, and watches each one's errors, time and memory.
///
/// A case that traps ends the test run; which one it was stands in a file, and
/// `GRAFT_FUZZ_CASES=FIRST-LAST` repeats it (or runs more cases than usual).
struct CaseRunner {
  let name: String
  let kind: UInt64
  let count: Int

  /// Processor time that a damaged file of a few kilobytes may take, in seconds.
  private static let timeLimit = isSanitized ? 20.0 : 5.0
  /// Memory beyond what was in use before. AddressSanitizer keeps what was freed for a while.
  private static let memoryLimit = isSanitized ? 1 << 30 : 384 << 20

  private static let isSanitized = dlsym(nil, "__asan_default_options") != nil

  /// - Parameter body: reads damaged files; returns whether the file was good in spite of the
  ///   damage
  func run(_ body: (Int, inout Generator) throws -> Bool) throws {
    let log = try CaseLog(name)
    let watchdog = Watchdog()
    defer { watchdog.stop() }
    var goodCount = 0
    var refusedCount = 0
    let count = self.count * FuzzEffort.factor
    for number in Self.chosenCases ?? 0..<count {
      log.note("\(name) \(number)")
      watchdog.begin("\(name) \(number)")
      var generator = Generator(kind: kind, case: number)
      let memory = peakMemory()
      let start = processorTime()
      do {
        if try body(number, &generator) { goodCount += 1 } else { refusedCount += 1 }
      } catch let error as GraftError {
        refusedCount += 1
        if error.code == .software { Issue.record("\(name) \(number): \(error)") }
      } catch {
        Issue.record("\(name) \(number) throws what is no GraftError: \(error)")
      }
      let time = processorTime() - start
      if time > Self.timeLimit { Issue.record("\(name) \(number) takes \(time) s") }
      let growth = peakMemory() - memory
      if growth > Self.memoryLimit {
        Issue.record("\(name) \(number) takes \(growth >> 20) MB of memory")
      }
    }
    log.remove()
    print("\(name): \(goodCount) good, \(refusedCount) refused")
    if Self.chosenCases == nil { #expect(goodCount + refusedCount == count) }
  }

  private static let chosenCases: Range<Int>? = {
    guard let text = ProcessInfo.processInfo.environment["GRAFT_FUZZ_CASES"] else { return nil }
    let numbers = text.split(separator: "-").compactMap { Int($0) }
    guard let first = numbers.first, let last = numbers.last, first <= last else { return nil }
    return first..<last + 1
  }()

  /// The most memory that the process has had so far, in bytes.
  private func peakMemory() -> Int {
    var usage = rusage()
    getrusage(.init(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }

  /// Processor time of this thread, in seconds; other tests run beside this one.
  private func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}

/// Ends the process, saying so, when a case does not end.
private final class Watchdog: Sendable {
  private static let limit = 300.0

  private let current = Mutex<(name: String, start: Double)?>(nil)

  init() {
    Thread.detachNewThread { [weak self] in
      while let self {
        self.check()
        Thread.sleep(forTimeInterval: 1)
      }
    }
  }

  func begin(_ name: String) {
    current.withLock { $0 = (name, ProcessInfo.processInfo.systemUptime) }
  }

  func stop() { current.withLock { $0 = nil } }

  private func check() {
    guard let (name, start) = current.withLock({ $0 }),
      ProcessInfo.processInfo.systemUptime - start > Self.limit
    else { return }
    print("\(name) does not end")
    exit(1)
  }
}

/// A file that says which case runs, for when the process does not live to say it.
private final class CaseLog {
  private let path: String
  private let descriptor: Int32

  init(_ name: String) throws {
    let folder =
      ProcessInfo.processInfo.environment["GRAFT_TEST_OUTPUT"] ?? NSTemporaryDirectory()
    path = "\(folder)/graft-fuzz-\(name)-\(getpid()).txt"
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    try #require(descriptor >= 0)
    print("\(name): the case being run stands in \(path)")
  }

  deinit { close(descriptor) }

  func note(_ text: String) {
    let line = text.padding(toLength: 63, withPad: " ", startingAt: 0) + "\n"
    _ = line.withCString { pwrite(descriptor, $0, 64, 0) }
  }

  func remove() { unlink(path) }
}
