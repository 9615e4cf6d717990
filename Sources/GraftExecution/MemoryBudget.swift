import GraftFiles
import GraftTensor

/// - Throws: `GraftError` if a node needs more memory than `limit`.
package func requireMemory(_ byteCounts: some Sequence<Int>, limit: Int) throws {
  if let needed = byteCounts.sum, needed <= limit { return }
  throw GraftError(
    .operatingSystem, "needs more than the \(limit >> 20) MB of memory that it may take",
    hint: "Use smaller inputs, or raise --max-memory")
}

extension Sequence<Int> {
  /// The sum; `nil` if it is too large for an `Int`, or an element is negative.
  fileprivate var sum: Int? {
    var total = 0
    for count in self {
      let (sum, overflow) = total.addingReportingOverflow(count)
      guard count >= 0, !overflow else { return nil }
      total = sum
    }
    return total
  }
}

/// The memory that a run may take for what is no weight of the model: up to a limit, or what is free.
package final class MemoryBudget {
  private let limit: Int?
  private let inUse: Int
  /// What was left in the beginning; looked up when it matters for the first time. What was taken until then is no longer
  /// free.
  private lazy var left =
    limit.map { max(0, $0 - inUse) } ?? freeByteCount() + taken
  private var taken = 0
  private let freeByteCount: @Sendable () -> Int

  /// What is free is looked up for more than this; small models need not wait for it.
  private static let smallByteCount = 1 << 24

  /// - Parameters:
  ///   - limit: bytes that may be taken altogether; `nil` for what is free
  ///   - inUse: those that are taken already
  ///   - freeByteCount: says what is free
  package init(
    limit: Int?, inUse: Int = 0,
    freeByteCount: @escaping @Sendable () -> Int = { AvailableMemory.recentByteCount() }
  ) {
    self.limit = limit
    self.inUse = inUse
    self.freeByteCount = freeByteCount
  }

  /// Bytes that may still be taken.
  package var byteCount: Int { max(0, left - taken) }

  /// - Throws: `GraftError` if so much, besides what is in use, may not be taken.
  package func require(_ byteCounts: some Sequence<Int>) throws {
    let needed = byteCounts.sum
    if let limit { return try requireMemory([needed ?? -1, inUse, taken], limit: limit) }
    if let needed, needed <= max(0, MemoryBudget.smallByteCount - inUse - taken) { return }
    guard let needed, needed <= byteCount else {
      throw GraftError(
        .operatingSystem, "needs more than the \(byteCount >> 20) MB of memory that is free",
        hint: "Use smaller inputs, or say with --max-memory how much it may take")
    }
  }

  /// As ``require(_:)``, and counts it as taken from now on.
  package func take(_ byteCount: Int) throws {
    try require([byteCount])
    taken += byteCount
  }
}
