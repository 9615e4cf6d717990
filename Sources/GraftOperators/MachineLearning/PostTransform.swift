import GraftFiles
import GraftGraph

/// What makes the scores of a row probabilities.
///
/// Source: <https://onnx.ai/onnx/operators/onnx_aionnxml_LinearClassifier.html>
enum PostTransform: String, CaseIterable, Sendable {
  case none = "NONE"
  case softmax = "SOFTMAX"
  case logistic = "LOGISTIC"
  /// Softmax of the scores that are not zero; the others stay zero.
  case softmaxZero = "SOFTMAX_ZERO"
  case probit = "PROBIT"

  init(_ attributes: AttributeReader) throws {
    let name = try attributes.choice(
      "post_transform", default: "NONE", of: PostTransform.allCases.map(\.rawValue))
    self = PostTransform(rawValue: name) ?? .none
  }

  /// Transforms the scores of a row in place.
  ///
  /// onnxruntime leaves a single score of a regression as it is, except for PROBIT. The
  /// specification has no such exception.
  func apply(_ scores: UnsafeMutableBufferPointer<Double>) {
    switch self {
    case .none: break
    case .logistic: for index in scores.indices { scores[index] = Self.logistic(scores[index]) }
    case .softmax:
      let largest = scores.max() ?? 0
      for index in scores.indices { scores[index] = exp(scores[index] - largest) }
      let sum = scores.reduce(0, +)
      for index in scores.indices { scores[index] /= sum }
    case .softmaxZero: softmaxZero(scores)
    case .probit: for index in scores.indices { scores[index] = Self.probit(scores[index]) }
    }
  }

  private func softmaxZero(_ scores: UnsafeMutableBufferPointer<Double>) {
    let largest = scores.max() ?? 0
    let scale = exp(-largest)
    for index in scores.indices {
      let score = scores[index]
      scores[index] = abs(score) > 1e-7 ? exp(score - largest) : score * scale
    }
    let sum = scores.reduce(0, +)
    for index in scores.indices { scores[index] = sum == 0 ? 0.5 : scores[index] / sum }
  }

  /// 1 / (1 + exp(-x)).
  static func logistic(_ x: Double) -> Double {
    let power = exp(-abs(x))
    return x < 0 ? power / (1 + power) : 1 / (1 + power)
  }

  /// The quantile function of the normal distribution, from Winitzki's approximation of the inverse
  /// of erf, which ONNX's reference implementation and onnxruntime use: within 0.004 of the exact
  /// one.
  static func probit(_ probability: Double) -> Double {
    let x = 2 * probability - 1
    guard abs(x) < 1 else { return abs(x) == 1 ? x * .infinity : .nan }
    let logarithm = log((1 - x) * (1 + x))
    let half = 2 / (Double.pi * 0.147) + 0.5 * logarithm
    let root = (half * half - logarithm / 0.147).squareRoot() - half
    return (x < 0 ? -1 : 1) * 1.41421356 * root.squareRoot()
  }

  /// The scores of the two classes of which only the second one has a score.
  ///
  /// - Parameter isProbability: whether the score is one, where nothing transforms it
  func bothClasses(_ score: Double, isProbability: Bool) -> (Double, Double) {
    switch self {
    case .none: (isProbability ? 1 - score : -score, score)
    case .probit: (1 - score, score)
    case .softmax, .logistic, .softmaxZero: (-score, score)
    }
  }

  /// What the score of the second of two classes has to exceed.
  func threshold(isProbability: Bool) -> Double {
    switch self {
    case .none: isProbability ? 0.5 : 0
    case .probit: 0.5
    case .softmax, .logistic, .softmaxZero: 0
    }
  }
}

extension UnsafeMutableBufferPointer<Double> {
  /// The place of the first of the largest scores; 0 if there are none.
  var indexOfLargest: Int {
    var best = 0
    for index in indices where self[index] > self[best] { best = index }
    return best
  }
}
