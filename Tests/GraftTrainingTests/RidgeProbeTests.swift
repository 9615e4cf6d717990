import GraftTraining
import Testing

@Suite struct RidgeProbeTests {
  /// Residuals of the standardized column with each row left out, by the normal equations of a
  /// slope and an intercept.
  private func errorOfRefits(_ column: [Double], _ targets: [Double]) -> Double {
    let count = Double(column.count)
    let mean = column.reduce(0, +) / count
    let deviation = (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
    let x = column.map { ($0 - mean) / deviation }
    let shares = targets.reduce(0, +) / count
    var (squares, total) = (0.0, 0.0)
    for left in x.indices {
      let rows = x.indices.filter { $0 != left }
      let (n, sumX) = (Double(rows.count), rows.reduce(0) { $0 + x[$1] })
      let sumXX = rows.reduce(0) { $0 + x[$1] * x[$1] } + 0.3
      let (sumY, sumXY) = (
        rows.reduce(0) { $0 + targets[$1] }, rows.reduce(0) { $0 + x[$1] * targets[$1] }
      )
      let slope = (n * sumXY - sumX * sumY) / (n * sumXX - sumX * sumX)
      let intercept = (sumY - slope * sumX) / n
      let residual = targets[left] - intercept - slope * x[left]
      squares += residual * residual
      total += (targets[left] - shares) * (targets[left] - shares)
    }
    return squares / total
  }

  @Test func residualsAreThoseOfRefitsWithoutTheRow() throws {
    let column = [0.5, -1.25, 2, 0.75, 3.5, -0.5, 1]
    let labels = [0, 0, 1, 0, 1, 0, 1]
    let probe = try #require(
      RidgeProbe(features: column.map { [Float($0)] }, labels: labels, classCount: 2))
    let expected = errorOfRefits(column, labels.map(Double.init))
    #expect(abs(probe.error - expected) < 1e-9)
    // 0.75 is nearer to the other class, and 1 to this one.
    #expect(probe.accuracy > 0.7)
  }

  @Test func featuresThatTellNothingGiveNoProbe() {
    let labels = [0, 1, 0, 1]
    #expect(
      RidgeProbe(features: [[.nan], [1], [2], [3]], labels: labels, classCount: 2) == nil)
    let one = [0, 0, 0, 0]
    #expect(RidgeProbe(features: [[1], [1], [2], [3]], labels: one, classCount: 2) == nil)
    #expect(RidgeProbe(features: [[], [], [], []], labels: labels, classCount: 2) == nil)
  }
}
