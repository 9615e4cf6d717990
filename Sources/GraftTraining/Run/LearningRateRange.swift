import GraftFiles

/// The results of a range test of learning rates: the loss of each step with an increasing rate.
///
/// Sources: Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.3;
/// smoothing, early end and suggestion follow
/// <https://docs.fast.ai/callback.schedule.html#lrfinder>
package struct LearningRateRange: Sendable {
  package struct Point: Sendable, Hashable {
    package var learningRate: Double
    package var loss: Double
    /// An exponential moving average with bias correction.
    package var smoothedLoss: Double
  }

  /// The first and the last rate.
  package static let rates = 1e-7...10.0
  package static let stepCount = 300
  private static let smoothing = 0.98
  /// Initial steps whose losses say too little for a suggestion.
  private static let settlingCount = 30

  package private(set) var points: [Point] = []
  private var average = 0.0

  package init() {}

  /// The rate of a step, from 0; rates increase by a constant factor.
  package static func rate(ofStep step: Int) -> Double {
    rates.lowerBound
      * pow(rates.upperBound / rates.lowerBound, Double(step) / Double(stepCount - 1))
  }

  mutating func add(loss: Double) {
    average = LearningRateRange.smoothing * average + (1 - LearningRateRange.smoothing) * loss
    let correction = 1 - pow(LearningRateRange.smoothing, Double(points.count + 1))
    points.append(
      Point(
        learningRate: LearningRateRange.rate(ofStep: points.count), loss: loss,
        smoothedLoss: average / correction))
  }

  /// Whether the loss is so large that larger rates need not be tried.
  var hasDiverged: Bool {
    guard points.count > LearningRateRange.settlingCount, let last = points.last,
      let least = points.map(\.smoothedLoss).min()
    else { return false }
    return last.smoothedLoss > 4 * least
  }

  /// A tenth of the rate with the smallest smoothed loss, after which the loss diverges; `nil` if
  /// it never fell noticeably. (The rate of steepest descent, another usual choice, depends on
  /// noise with small batches.)
  package var suggestion: Double? {
    let settled = points.dropFirst(LearningRateRange.settlingCount)
    guard let first = settled.first,
      let least = settled.min(by: { $0.smoothedLoss < $1.smoothedLoss }),
      least.smoothedLoss < 0.98 * first.smoothedLoss
    else { return nil }
    return least.learningRate / 10
  }
}
