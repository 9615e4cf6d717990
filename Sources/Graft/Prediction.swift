import Foundation
import GraftExecution

/// One class of a ranking.
public struct Prediction: Sendable, Equatable, Encodable {
  /// The place of the class in the model's output, from 0.
  public var index: Int
  /// The name of the class; `nil` if the model has no labels.
  public var label: String?
  /// From 0 to 1.
  public var probability: Float
}

/// Turns what a classifier puts out into ranked classes.
package enum Ranking {
  /// The `count` most probable classes of each picture, the first index first among equals.
  ///
  /// - Parameter output: probabilities or logits, `[N, classes]` with any axes of extent 1 between or behind
  /// - Throws: `GraftError` if the output does not look like that of a classifier, or is not a number.
  package static func predictions(
    _ output: Tensor, count: Int, labels: Labels?
  ) throws -> [[Prediction]] {
    try probabilities(ofClasses: output, labels: labels).map { row in
      guard row.allSatisfy(\.isFinite) else {
        throw GraftError.badData(
          "the model's answer is not a number (NaN), so it names no class",
          hint: "Its weights may be damaged, or it may need another --preprocess")
      }
      let order = row.indices.sorted { (row[$0], $1) > (row[$1], $0) }
      return order.prefix(count).map {
        Prediction(index: $0, label: labels?.name(of: $0), probability: row[$0])
      }
    }
  }

  /// The probability of each class, for each picture.
  ///
  /// - Parameter output: as in ``predictions(_:count:labels:)``; of two labels `[N, 1]` may be the probability of the second
  /// - Throws: `GraftError` if the output does not look like that of a classifier.
  package static func probabilities(ofClasses output: Tensor, labels: Labels?) throws -> [[Float]] {
    guard output.elementType.isFloatingPoint, output.rank >= 1 else {
      throw GraftError.badData(
        "the model's output is \(output.elementType)\(output.shape), not that of a classifier")
    }
    let batch = output.rank == 1 ? 1 : output.shape[0]
    guard batch > 0, output.elementCount > 0 else {
      throw GraftError.badData("the model's output is empty")
    }
    let classCount = output.elementCount / batch
    guard output.rank == 1 || output.shape.dropFirst().filter({ $0 != 1 }).count <= 1 else {
      throw GraftError.badData(
        "the model's output has shape \(output.shape); a classifier gives one number per class",
        hint: "`graft run` writes the outputs of any model")
    }
    let scores = try output.floats()
    // One sigmoid for two classes is the probability of the second.
    let isBinary = classCount == 1 && labels?.names.count == 2
    return (0..<batch).map { picture in
      isBinary
        ? [1 - scores[picture], scores[picture]]
        : probabilities(Array(scores[picture * classCount..<(picture + 1) * classCount]))
    }
  }

  /// Scores as they are if they are probabilities already, else their softmax.
  static func probabilities(_ scores: [Float]) -> [Float] {
    let sum = scores.reduce(0.0) { $0 + Double($1) }
    if scores.allSatisfy({ $0 >= 0 && $0 <= 1 }), abs(sum - 1) < 1e-2 || scores.count == 1 {
      return scores
    }
    let largest = Double(scores.max() ?? 0)
    let exponentials = scores.map { exp(Double($0) - largest) }
    let total = exponentials.reduce(0, +)
    return exponentials.map { Float($0 / total) }
  }
}

extension Tensor {
  /// The elements of a floating-point tensor as floats.
  package func floats() throws -> [Float] {
    if elementType == .float { return try elements() }
    let source = isAligned ? self : try copied()
    let converted = try Tensor(zeros: .float, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, elementType, to: converted.baseAddress, .float, count: elementCount)
    return try converted.elements()
  }
}
