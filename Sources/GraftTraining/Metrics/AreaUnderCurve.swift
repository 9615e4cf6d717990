import GraftFiles

/// The area under the ROC curve: the probability that a sample of a class has a larger score for it
/// than a sample of another class, with ties counting half.
///
/// It is exact, from ranks, whereas Keras's `AUC` sums over thresholds. With K classes it is the
/// mean of one-against-rest areas over the classes with both kinds of samples; with two classes it
/// is that of the second. All probabilities are stored.
///
/// Source: `roc_auc_score(…, multi_class="ovr", average="macro")` of
/// <https://scikit-learn.org/stable/modules/model_evaluation.html#roc-metrics>
package struct AreaUnderCurve: Sendable {
  package let classCount: Int
  private var labels: [Int] = []
  /// By class, of all samples.
  private var probabilities: [[Double]]

  package init(classCount: Int) {
    self.classCount = classCount
    probabilities = Array(repeating: [], count: classCount)
  }

  package mutating func add(_ batch: LabelledScores) throws {
    guard batch.classCount == classCount else {
      throw GraftError.badData(
        "scores of \(batch.classCount) classes do not match \(classCount) classes")
    }
    labels += batch.labels
    for sample in 0..<batch.count {
      for (number, probability) in batch.probabilities(sample).enumerated() {
        probabilities[number].append(probability)
      }
    }
  }

  /// `nil` if all samples are of one class.
  package var mean: Double? {
    let areas = (classCount == 2 ? 1..<2 : 0..<classCount).compactMap { area(ofClass: $0) }
    return areas.isEmpty ? nil : areas.reduce(0, +) / Double(areas.count)
  }

  /// One class against the rest; `nil` if all samples or none are of the class.
  package func area(ofClass number: Int) -> Double? {
    let scores = probabilities[number]
    let positives = labels.count { $0 == number }
    let negatives = labels.count - positives
    guard positives > 0, negatives > 0 else { return nil }
    // NaN ranks lowest.
    let keys = scores.map { $0.isNaN ? -Double.infinity : $0 }
    let order = keys.indices.sorted { keys[$0] < keys[$1] }
    // The sum of the positives' ranks from 1; ties share their mean rank.
    var rankSum = 0.0
    var start = 0
    while start < order.count {
      var end = start
      while end < order.count, keys[order[end]] == keys[order[start]] { end += 1 }
      let rank = Double(start + 1 + end) / 2
      rankSum += rank * Double(order[start..<end].count { labels[$0] == number })
      start = end
    }
    let least = Double(positives) * Double(positives + 1) / 2
    return (rankSum - least) / (Double(positives) * Double(negatives))
  }
}
