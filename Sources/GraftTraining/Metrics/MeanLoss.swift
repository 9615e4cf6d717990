/// The mean of a loss over samples, of its means over batches.
package struct MeanLoss: Sendable {
  private var sum = 0.0
  package private(set) var count = 0

  package init() {}

  /// - Parameters:
  ///   - loss: the mean over a batch
  ///   - count: the number of its samples
  package mutating func add(_ loss: Double, count: Int) {
    sum += loss * Double(count)
    self.count += count
  }

  /// 0 without samples.
  package var value: Double { count > 0 ? sum / Double(count) : 0 }
}
