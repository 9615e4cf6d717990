/// How well a linear classifier separates classes by features, with each image predicted by a
/// classifier of all others.
///
/// Ridge regression of class indicators on standardized features, whose leave-one-out residuals
/// follow from a single solution. Source: Hastie, Tibshirani, Friedman, "The Elements of
/// Statistical Learning" (2009), 7.10
package struct RidgeProbe: Sendable {
  /// The fraction of images classified correctly.
  package let accuracy: Double
  /// The mean squared residual, relative to that of predicting the class frequencies.
  package let error: Double

  /// The penalty, relative to the mean square of a standardized row.
  private static let penalty = 0.3

  /// - Parameters:
  ///   - features: `[N, C]`
  ///   - labels: `[N]`, of two or more classes
  /// - Returns: `nil` if the features are not finite, or there are fewer than two classes
  package init?(features: [[Float]], labels: [Int], classCount: Int) {
    let count = features.count
    guard count > 2, labels.count == count, Set(labels).count > 1,
      let rows = RidgeProbe.standardized(features)
    else { return nil }
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    for row in 0..<count {
      for column in 0...row {
        let product = zip(rows[row], rows[column]).reduce(0) { $0 + $1.0 * $1.1 }
        matrix[row][column] = product / Double(rows[row].count)
        matrix[column][row] = matrix[row][column]
      }
      matrix[row][row] += RidgeProbe.penalty
    }
    guard let inverse = RidgeProbe.inverse(matrix) else { return nil }
    var targets = labels.map { label in (0..<classCount).map { $0 == label ? 1.0 : 0.0 } }
    let shares = (0..<classCount).map { column in
      targets.reduce(0) { $0 + $1[column] } / Double(count)
    }
    for row in targets.indices {
      for column in 0..<classCount { targets[row][column] -= shares[column] }
    }
    var (hits, squares, total) = (0, 0.0, 0.0)
    for row in 0..<count {
      // Removes an image's contribution to its own prediction, including its part of the mean.
      let own = RidgeProbe.penalty * inverse[row][row] - 1 / Double(count)
      guard own > 1e-9 else { return nil }
      var scores = shares
      for column in 0..<classCount {
        let sum = (0..<count).reduce(0) { $0 + inverse[row][$1] * targets[$1][column] }
        let residual = RidgeProbe.penalty * sum / own
        scores[column] += targets[row][column] - residual
        squares += residual * residual
        total += targets[row][column] * targets[row][column]
      }
      let best = scores.indices.max { scores[$0] < scores[$1] } ?? 0
      if best == labels[row] { hits += 1 }
    }
    accuracy = Double(hits) / Double(count)
    error = squares / total
    guard error.isFinite else { return nil }
  }

  /// Columns of mean 0 and variance 1; constant ones become 0.
  private static func standardized(_ features: [[Float]]) -> [[Double]]? {
    guard let width = features.first?.count, width > 0,
      features.allSatisfy({ $0.count == width && $0.allSatisfy(\.isFinite) })
    else { return nil }
    var rows = features.map { $0.map(Double.init) }
    for column in 0..<width {
      let mean = rows.reduce(0) { $0 + $1[column] } / Double(rows.count)
      let square = rows.reduce(0) { $0 + ($1[column] - mean) * ($1[column] - mean) }
      let deviation = (square / Double(rows.count)).squareRoot()
      for row in rows.indices {
        rows[row][column] = deviation > 0 ? (rows[row][column] - mean) / deviation : 0
      }
    }
    return rows
  }

  /// Inverts a symmetric positive definite matrix (Gauss–Jordan); `nil` if it is not.
  private static func inverse(_ matrix: [[Double]]) -> [[Double]]? {
    let count = matrix.count
    var left = matrix
    var right = (0..<count).map { row in (0..<count).map { $0 == row ? 1.0 : 0.0 } }
    for pivot in 0..<count {
      let scale = left[pivot][pivot]
      guard scale > 0, scale.isFinite else { return nil }
      for column in 0..<count {
        left[pivot][column] /= scale
        right[pivot][column] /= scale
      }
      for row in 0..<count where row != pivot {
        let factor = left[row][pivot]
        guard factor != 0 else { continue }
        for column in 0..<count {
          left[row][column] -= factor * left[pivot][column]
          right[row][column] -= factor * right[pivot][column]
        }
      }
    }
    return right
  }
}
