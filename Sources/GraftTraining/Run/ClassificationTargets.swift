import GraftGraph
import GraftTensor

/// The targets of losses, and the meaning of scores.
package struct ClassificationTargets: Sendable {
  let classCount: Int
  /// Whether one score stands for two classes.
  let isBinary: Bool

  package init(classCount: Int, isBinary: Bool) {
    self.classCount = classCount
    self.isBinary = isBinary
  }

  /// Targets of the loss's type: class numbers `[N]`, or a number for each score `[N, K]`.
  func tensor(_ labels: [Int], for loss: any Loss) throws -> Tensor {
    if loss.targetType(classCount: classCount).elementType == .int64 {
      return try Tensor(labels.map(Int64.init), shape: [labels.count])
    }
    if isBinary { return try Tensor(labels.map(Float.init), shape: [labels.count, 1]) }
    var values = [Float](repeating: 0, count: labels.count * classCount)
    for (row, label) in labels.enumerated() { values[row * classCount + label] = 1 }
    return try Tensor(values, shape: [labels.count, classCount])
  }

  /// Targets that mix two classes, a number for each score `[N, K]`.
  ///
  /// - Precondition: the loss supports such targets
  package func tensor(mixed labels: [MixedLabel]) throws -> Tensor {
    let width = isBinary ? 1 : classCount
    var values = [Float](repeating: 0, count: labels.count * width)
    for (row, label) in labels.enumerated() {
      if isBinary {
        values[row] = Float(
          Double(label.own) * label.share + Double(label.partner) * (1 - label.share))
      } else {
        values[row * width + label.own] += Float(label.share)
        values[row * width + label.partner] += Float(1 - label.share)
      }
    }
    return try Tensor(values, shape: [labels.count, width])
  }

  /// The most probable class for each row of scores `[N, K]`; the first one among equals.
  func predictions(_ scores: Tensor) throws -> [Int] {
    let values = try scores.elements(as: Float.self)
    if isBinary { return values.map { $0 > 0 ? 1 : 0 } }
    return (0..<scores.shape[0]).map { row in
      let scores = values[row * classCount..<(row + 1) * classCount]
      return scores.indices.max { scores[$0] < scores[$1] || scores[$0] == scores[$1] && $0 > $1 }!
        - row * classCount
    }
  }
}

/// The classes of two images that are mixed.
package struct MixedLabel: Sendable {
  let own: Int
  let partner: Int
  /// The weight of the first class, from 0 to 1.
  let share: Double

  package init(own: Int, partner: Int, share: Double) {
    self.own = own
    self.partner = partner
    self.share = share
  }

  /// The class with the larger weight.
  package var larger: Int { share >= 0.5 ? own : partner }
}
