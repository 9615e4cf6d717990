import GraftFiles

/// Counts the steps of matching in one run, so that an expression that was made to be slow ends in
/// time. Sets of states that are known already cost nothing.
struct MatchingBudget {
  private let limit: Int
  private var counted = 0

  /// A few seconds' work.
  static let limit = 1 << 29
  private static let checkInterval = 1 << 22

  init(limit: Int = MatchingBudget.limit) { self.limit = limit }

  /// Counts the states that a byte leads through.
  ///
  /// - Throws: `GraftError` if there were too many, or the run's task was cancelled
  mutating func count(_ states: Int) throws {
    let before = counted
    counted += states + 1
    guard counted <= limit else {
      throw GraftError(
        .operatingSystem, "matching the texts takes more than \(limit) steps",
        hint: "Use shorter texts, or a pattern with fewer repetitions")
    }
    if before / Self.checkInterval != counted / Self.checkInterval, Task.isCancelled {
      throw GraftError(.operatingSystem, "the run was cancelled")
    }
  }
}
