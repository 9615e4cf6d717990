import GraftExecution
import GraftFiles
import GraftTensor

/// Converts the output of a classifier to ranked classes.
package enum Ranking {
  /// The `count` most probable classes of an image; equal ones are ordered by index.
  ///
  /// - Parameter row: the probability of each class
  /// - Throws: `GraftError` if a probability is not a number
  package static func predictions(
    _ row: [Float], count: Int, labels: Labels?
  ) throws -> [Prediction] {
    guard row.allSatisfy(\.isFinite) else {
      throw GraftError.badData(
        "the model's answer is not a number (NaN)",
        hint: "Its weights may be damaged, or it may need another --preprocess")
    }
    let order = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }
    return order.prefix(count).map {
      Prediction(index: $0, label: labels?.name(of: $0), probability: row[$0])
    }
  }

  /// The probability of each class for each image, from 0 to 1, or NaN if the score is NaN.
  ///
  /// A single score per image belongs to the second of two classes, unless there is only one label,
  /// or the classes are independent.
  /// - Parameters:
  ///   - output: `[N, classes]`, possibly with more axes of extent 1; `[classes]` for one image,
  ///     and `[N]` for several
  ///   - imageCount: N
  ///   - scores: the meaning of the output; with `nil`, rows that add up to 1 are probabilities,
  ///     others logits
  /// - Throws: `GraftError` if the output does not look like that of a classifier, has invalid
  ///   probabilities, or does not match the labels
  package static func probabilities(
    ofClasses output: Tensor, imageCount: Int, scores kind: Scores?, labels: Labels?
  ) throws -> [[Float]] {
    guard output.elementType.isFloatingPoint, output.rank >= 1 else {
      throw GraftError.badData(
        "the model's output is \(output.elementType)\(output.shape), not that of a classifier")
    }
    guard imageCount > 0, output.elementCount > 0 else {
      throw GraftError.badData("the model's output is empty")
    }
    guard output.rank == 1 || output.shape.dropFirst().filter({ $0 != 1 }).count <= 1 else {
      throw GraftError.badData(
        "the model's output has shape \(output.shape); a classifier gives one number per class",
        hint: "`graft run` writes the outputs of any model")
    }
    guard output.shape[0] == imageCount || output.rank == 1 && imageCount == 1 else {
      throw GraftError.badData(
        "the model's output has shape \(output.shape), but there are \(imageCount) images")
    }
    let classCount = output.elementCount / imageCount
    try labels?.check(classCount: classCount)
    let values = try output.floats()
    let isBinary =
      classCount == 1 && labels?.names.count != 1 && (kind != .sigmoid || labels != nil)
    return try (0..<imageCount).map { image in
      let row = Array(values[image * classCount..<(image + 1) * classCount])
      guard classCount == 1 else { return try probabilities(row, kind) }
      let probability =
        kind == .probabilities ? try checked(row[0]) : Float(sigmoid(Double(row[0])))
      return isBinary ? [1 - probability, probability] : [probability]
    }
  }

  /// The rounding error of a probability in half precision.
  private static let tolerance: Float = 1e-2

  private static func probabilities(_ row: [Float], _ kind: Scores?) throws -> [Float] {
    switch kind {
    case .probabilities: try row.map(checked)
    case .sigmoid: row.map { Float(sigmoid(Double($0))) }
    case .logits: softmax(row)
    case nil: isDistribution(row) ? row.map { min(max($0, 0), 1) } : softmax(row)
    }
  }

  private static func isDistribution(_ row: [Float]) -> Bool {
    row.allSatisfy { -tolerance...1 + tolerance ~= $0 }
      && abs(row.reduce(0.0) { $0 + Double($1) } - 1) < Double(tolerance)
  }

  /// - Throws: `GraftError` if the number cannot be a probability
  private static func checked(_ value: Float) throws -> Float {
    guard value.isFinite else { return .nan }
    guard -tolerance...1 + tolerance ~= value else {
      throw GraftError.badData(
        "the model's output has \(value), which is not a probability",
        hint: "Use --scores logits, or sigmoid for independent classes")
    }
    return min(max(value, 0), 1)
  }

  private static func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }

  private static func softmax(_ scores: [Float]) -> [Float] {
    let largest = Double(scores.max() ?? 0)
    let exponentials = scores.map { exp(Double($0) - largest) }
    let total = exponentials.reduce(0, +)
    return exponentials.map { Float($0 / total) }
  }
}
