import GraftFiles

/// The area under the curve of true over false positives (ROC): the chance that a sample of a class has a larger
/// probability for it than one of another class, equal ones counting half.
///
/// It is exact, from ranks, where Keras's `AUC` sums over thresholds. With K classes it is the mean of each class
/// against the rest, over the classes that have samples, and samples that are not theirs; with two classes that of
/// the second. All probabilities are kept until then.
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
        "scores of \(batch.classCount) classes do not go with \(classCount) classes")
    }
    labels += batch.labels
    for sample in 0..<batch.count {
      for (number, probability) in batch.probabilities(sample).enumerated() {
        probabilities[number].append(probability)
      }
    }
  }

  /// `nil` if all samples are of one class, so that there is nothing to tell apart.
  package var mean: Double? {
    let areas = (classCount == 2 ? 1..<2 : 0..<classCount).compactMap { area(ofClass: $0) }
    return areas.isEmpty ? nil : areas.reduce(0, +) / Double(areas.count)
  }

  /// A class against the rest; `nil` if all samples are of it, or none is.
  package func area(ofClass number: Int) -> Double? {
    let scores = probabilities[number]
    let positives = labels.count { $0 == number }
    let negatives = labels.count - positives
    guard positives > 0, negatives > 0 else { return nil }
    // NaN ranks lowest.
    let keys = scores.map { $0.isNaN ? -Double.infinity : $0 }
    let order = keys.indices.sorted { keys[$0] < keys[$1] }
    // The sum of the positives' ranks from 1, where equal ones share the mean of theirs.
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
