/// The share of the samples whose class is the predicted one.
///
/// Source: `SparseCategoricalAccuracy` and `BinaryAccuracy`, <https://keras.io/api/metrics/accuracy_metrics/>
package struct Accuracy: Metric {
  private var correct = 0
  private var count = 0

  package init() {}

  package var name: String { "accuracy" }

  package mutating func add(_ batch: LabelledScores) {
    for sample in 0..<batch.count where batch.prediction(sample) == batch.labels[sample] {
      correct += 1
    }
    count += batch.count
  }

  package var value: Double { count > 0 ? Double(correct) / Double(count) : 0 }
}
