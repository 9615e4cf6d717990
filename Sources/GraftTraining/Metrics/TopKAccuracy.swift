import GraftFiles

/// The fraction of samples whose class is among the k with the largest scores. Classes with equal
/// scores share the best of their ranks.
///
/// Source: `SparseTopKCategoricalAccuracy`, <https://keras.io/api/metrics/accuracy_metrics/>
package struct TopKAccuracy: Sendable {
  package let k: Int
  private var correct = 0
  private var count = 0

  /// - Throws: `GraftError` if k is less than 1
  package init(k: Int) throws {
    guard k >= 1 else { throw GraftError.usage("the k of top-\(k) accuracy is below 1") }
    self.k = k
  }

  package mutating func add(_ batch: LabelledScores) {
    for sample in 0..<batch.count {
      let own = batch.score(sample, ofClass: batch.labels[sample])
      guard own.isFinite else { continue }
      let larger = (0..<batch.classCount).count { batch.score(sample, ofClass: $0) > own }
      if larger < k { correct += 1 }
    }
    count += batch.count
  }

  /// 0 without samples.
  package var value: Double { count > 0 ? Double(correct) / Double(count) : 0 }
}
