import GraftFiles

/// Counts of true and predicted classes, and metrics derived from them.
///
/// Precision is the fraction of right samples among those predicted as a class, recall that among
/// the samples of the class, F1 their harmonic mean. Without samples they are 0. Macro means are
/// over the classes with samples, since data may lack some of a model's classes.
///
/// Source: `labels` of
/// <https://scikit-learn.org/stable/modules/generated/sklearn.metrics.f1_score.html>
package struct ConfusionMatrix: Sendable, Hashable {
  package let classCount: Int
  /// `[true class][predicted class]`, in samples.
  package private(set) var counts: [[Int]]

  package init(classCount: Int) {
    self.classCount = classCount
    counts = Array(repeating: Array(repeating: 0, count: classCount), count: classCount)
  }

  /// - Throws: `GraftError` if the batch has another number of classes
  package mutating func add(_ batch: LabelledScores) throws {
    guard batch.classCount == classCount else {
      throw GraftError.badData(
        "scores of \(batch.classCount) classes do not match \(classCount) classes")
    }
    for sample in 0..<batch.count {
      counts[batch.labels[sample]][batch.prediction(sample)] += 1
    }
  }

  package var sampleCount: Int { counts.reduce(0) { $0 + $1.reduce(0, +) } }

  package var accuracy: Double {
    ratio(counts.indices.reduce(0) { $0 + counts[$1][$1] }, sampleCount)
  }

  package func precision(ofClass number: Int) -> Double {
    ratio(counts[number][number], counts.reduce(0) { $0 + $1[number] })
  }

  package func recall(ofClass number: Int) -> Double {
    ratio(counts[number][number], counts[number].reduce(0, +))
  }

  package func f1(ofClass number: Int) -> Double {
    let predicted = counts.reduce(0) { $0 + $1[number] }
    let actual = counts[number].reduce(0, +)
    return ratio(2 * counts[number][number], predicted + actual)
  }

  /// Means over the classes with samples.
  package var macroPrecision: Double { mean(precision) }
  package var macroRecall: Double { mean(recall) }
  package var macroF1: Double { mean(f1) }

  private func mean(_ measure: (Int) -> Double) -> Double {
    let occurring = counts.indices.filter { counts[$0].contains { $0 > 0 } }
    guard !occurring.isEmpty else { return 0 }
    return occurring.reduce(0) { $0 + measure($1) } / Double(occurring.count)
  }

  private func ratio(_ part: Int, _ whole: Int) -> Double {
    whole > 0 ? Double(part) / Double(whole) : 0
  }
}
