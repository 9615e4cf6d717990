/// Divides labelled items so that every part gets its share of every class.
///
/// The result depends only on the labels, the shares and the seed.
struct Stratification {
  /// The indices of the items of each class, in random order.
  private let shuffled: [[Int]]

  /// - Parameter labels: the class of each item, from 0 to `classCount - 1`
  init(labels: [Int], classCount: Int, seed: UInt64) {
    var classes = [[Int]](repeating: [], count: classCount)
    for (index, label) in labels.enumerated() { classes[label].append(index) }
    var generator = SeededGenerator(seed: seed)
    shuffled = classes.map { indices in
      generator.permutation(indices.count).map { indices[$0] }
    }
  }

  /// Divides by shares, which add up to one. Rounding errors in one class are compensated in
  /// others, so that the totals are right too; but the first part gets something of each class.
  ///
  /// - Returns: the indices of each part, ascending
  func parts(shares: [Double]) -> [[Int]] {
    var parts = [[Int]](repeating: [], count: shares.count)
    // The expected minus the actual size of each part so far.
    var owed = [Double](repeating: 0, count: shares.count)
    for indices in shuffled {
      let exact = shares.map { $0 * Double(indices.count) }
      // A share such as 0.7 x 10 must not become 6 because of its last bit.
      var counts = exact.map { Int(($0 + 1e-9).rounded(.down)) }
      for part in shares.indices { owed[part] += exact[part] - Double(counts[part]) }
      var wants = Set(shares.indices.filter { shares[$0] > 0 })
      for _ in 0..<max(0, indices.count - counts.reduce(0, +)) {
        let isMissing = counts[0] == 0 && wants.contains(0)
        guard let part = isMissing ? 0 : wants.sorted().max(by: { owed[$0] < owed[$1] - 1e-9 })
        else { break }
        counts[part] += 1
        owed[part] -= 1
        wants.remove(part)
      }
      var start = 0
      for (part, count) in counts.enumerated() {
        parts[part] += indices[start..<start + count]
        start += count
      }
    }
    return parts.map { $0.sorted() }
  }

  /// Divides into equal parts, whose sizes, also within each class, differ by at most one.
  ///
  /// - Returns: the indices of each part, ascending
  func equalParts(_ partCount: Int) -> [[Int]] {
    var parts = [[Int]](repeating: [], count: partCount)
    var next = 0
    for index in shuffled.joined() {
      parts[next].append(index)
      next = (next + 1) % partCount
    }
    return parts.map { $0.sorted() }
  }
}
