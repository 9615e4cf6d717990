import GraftRuntime

/// What losses compare scores with, and what scores mean.
struct ClassificationTargets: Sendable {
  let classCount: Int
  /// Whether one score stands for two classes.
  let isBinary: Bool

  /// Targets of the type that the loss wants: class numbers `[N]`, or a number for each score `[N, K]`.
  func tensor(_ labels: [Int], for loss: any Loss) throws -> Tensor {
    if loss.targetType(classCount: classCount).elementType == .int64 {
      return try Tensor(labels.map(Int64.init), shape: [labels.count])
    }
    if isBinary { return try Tensor(labels.map(Float.init), shape: [labels.count, 1]) }
    var values = [Float](repeating: 0, count: labels.count * classCount)
    for (row, label) in labels.enumerated() { values[row * classCount + label] = 1 }
    return try Tensor(values, shape: [labels.count, classCount])
  }

  /// The likeliest class of each row of scores `[N, K]`; the first one among equals.
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
