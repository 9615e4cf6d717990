import GraftFiles
import GraftTensor

/// - Throws: `GraftError` if a node needs more memory than `limit`
package func requireMemory(_ byteCounts: some Sequence<Int>, limit: Int) throws {
  if let needed = byteCounts.sum, needed <= limit { return }
  throw GraftError(
    .operatingSystem, "not enough memory: the limit is \(limit >> 20) MB",
    hint: "Use smaller inputs, or raise --max-memory")
}

extension Sequence<Int> {
  /// The sum; `nil` on overflow or for a negative element.
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

/// The memory that a run may use apart from the model's weights: up to a limit, or all that is
/// free.
package final class MemoryBudget {
  private let limit: Int?
  private let inUse: Int
  /// The memory left at the start, determined on first use; memory taken before that is no longer
  /// free.
  private lazy var left =
    limit.map { max(0, $0 - inUse) } ?? freeByteCount() + taken
  private var taken = 0
  private let freeByteCount: @Sendable () -> Int

  /// Free memory is queried only above this size, so that small models need not wait.
  private static let smallByteCount = 1 << 24

  /// - Parameters:
  ///   - limit: the total bytes allowed; `nil` for the free memory
  ///   - inUse: the bytes already in use
  ///   - freeByteCount: returns the free bytes
  package init(
    limit: Int?, inUse: Int = 0,
    freeByteCount: @escaping @Sendable () -> Int = { AvailableMemory.recentByteCount() }
  ) {
    self.limit = limit
    self.inUse = inUse
    self.freeByteCount = freeByteCount
  }

  /// The bytes in use, with those that were taken.
  package var usedByteCount: Int { inUse + taken }

  /// The bytes that may still be taken.
  package var byteCount: Int { max(0, left - taken) }

  /// - Throws: `GraftError` if the bytes exceed the remaining budget
  package func require(_ byteCounts: some Sequence<Int>) throws {
    let needed = byteCounts.sum
    if let limit { return try requireMemory([needed ?? -1, inUse, taken], limit: limit) }
    if let needed, needed <= max(0, MemoryBudget.smallByteCount - inUse - taken) { return }
    guard let needed, needed <= byteCount else {
      throw GraftError(
        .operatingSystem, "not enough memory: \(byteCount >> 20) MB are free",
        hint: "Use smaller inputs, or set a limit with --max-memory")
    }
  }

  /// Like ``require(_:)``, and takes the bytes from the budget.
  package func reserve(_ byteCount: Int) throws {
    try require([byteCount])
    taken += byteCount
  }

  /// Gives back bytes that were reserved.
  package func release(_ byteCount: Int) { taken = max(0, taken - byteCount) }
}

extension Tensor {
  /// The tensor in memory that outlives the step that reads it: a copy if it is in memory that
  /// later steps use again.
  ///
  /// - Throws: `GraftError` if the copy exceeds the budget
  package func kept(_ memory: MemoryBudget) throws -> Tensor {
    guard storage.isReused else { return self }
    try memory.reserve(byteCount)
    return try copied()
  }
}

extension RuntimeValue {
  /// The value with tensors that outlive the step that reads it: ``Tensor/kept(_:)``. Sequences
  /// and optionals hold only such.
  package func kept(_ memory: MemoryBudget) throws -> RuntimeValue {
    guard case .tensor(let tensor) = self else { return self }
    return .tensor(try tensor.kept(memory))
  }
}
