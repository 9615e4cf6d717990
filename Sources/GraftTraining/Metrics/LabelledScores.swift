import GraftFiles
import GraftTensor

/// Checked scores of samples and their classes: the input of metrics.
///
/// Scores `[N, K]` are those of K classes; `[N, 1]` those of the second of two.
package struct LabelledScores: Sendable {
  /// The meaning of scores.
  package enum Kind: Sendable {
    /// After softmax or sigmoid.
    case probabilities
    /// Before softmax or sigmoid.
    case logits
  }

  package let count: Int
  /// At least 2.
  package let classCount: Int
  /// Class numbers `[N]`.
  package let labels: [Int]
  private let values: [Float]
  private let columnCount: Int
  private let kind: Kind

  /// - Parameters:
  ///   - scores: float `[N, K]`
  ///   - labels: `[N]`, from 0
  /// - Throws: `GraftError` if they do not match, or a label is not a class
  package init(scores: Tensor, labels: [Int], kind: Kind) throws {
    guard scores.elementType == .float, scores.rank == 2, scores.shape[1] > 0 else {
      throw GraftError.badData(
        "scores are \(scores.elementType)\(scores.shape); expected float [N, K]")
    }
    guard scores.shape[0] == labels.count else {
      throw GraftError.badData("\(labels.count) labels do not match \(scores.shape[0]) samples")
    }
    let columnCount = scores.shape[1]
    let classCount = max(2, columnCount)
    for (sample, label) in labels.enumerated() where !(0..<classCount).contains(label) {
      throw GraftError.badData(
        "label \(label) of sample \(sample) is not one of \(classCount) classes")
    }
    self.count = labels.count
    self.classCount = classCount
    self.labels = labels
    self.values = try scores.elements()
    self.columnCount = columnCount
    self.kind = kind
  }

  /// Whether a single score stands for two classes.
  package var isBinary: Bool { columnCount == 1 }

  /// The score of a class. With a single score, the first class has the complementary one.
  package func score(_ sample: Int, ofClass number: Int) -> Float {
    guard isBinary else { return values[sample * columnCount + number] }
    let score = values[sample]
    if number == 1 { return score }
    return kind == .logits ? -score : 1 - score
  }

  /// The class with the largest score, the first one among equals; with a single score, the second
  /// class above ½ (above 0 for logits). NaN loses.
  package func prediction(_ sample: Int) -> Int {
    if isBinary { return values[sample] > (kind == .logits ? 0 : 0.5) ? 1 : 0 }
    var best = 0
    for number in 1..<classCount {
      let (score, largest) = (score(sample, ofClass: number), score(sample, ofClass: best))
      if score > largest || (largest.isNaN && !score.isNaN) { best = number }
    }
    return best
  }

  /// The probabilities of all classes of a sample.
  package func probabilities(_ sample: Int) -> [Double] {
    let scores = (0..<classCount).map { Double(score(sample, ofClass: $0)) }
    guard kind == .logits else { return scores }
    if isBinary {
      let positive = 1 / (1 + exp(-scores[1]))
      return [1 - positive, positive]
    }
    let largest = scores.max() ?? 0
    let powers = scores.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }
}
