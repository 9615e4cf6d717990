import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of Adam, with averages V of gradients and H of their squares:
///
///     G' = norm_coefficient · X + G
///     V' = alpha · V + (1 - alpha) · G'
///     H' = beta · H + (1 - beta) · G' · G'
///     R' = T > 0 ? R · √(1 - beta^T) / (1 - alpha^T) : R
///     X' = (1 - norm_coefficient_post) · (X - R' · V' / (√H' + epsilon))
///
/// Inputs and outputs are as ``TensorOptimizer`` has them, with two states, V and H.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adam.html>. Source:
/// Kingma and Ba, <https://arxiv.org/abs/1412.6980>
struct Adam: TensorOptimizer {
  static let schema = OperatorSchema(
    "Adam", domain: OperatorDomain.previewTraining, since: [1],
    inputs: 3...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)
  static let stateCount = 2

  private let alpha: Double
  private let beta: Double
  private let epsilon: Double
  private let norm: Double
  private let normAfter: Double

  init(_ attributes: AttributeReader) throws {
    alpha = Double(try attributes.float("alpha", default: 0.9))
    beta = Double(try attributes.float("beta", default: 0.999))
    epsilon = Double(try attributes.float("epsilon", default: 1e-6))
    norm = Double(try attributes.float("norm_coefficient", default: 0))
    normAfter = Double(try attributes.float("norm_coefficient_post", default: 0))
  }

  struct Rule: OptimizerRule {
    fileprivate let operation: Adam
    fileprivate let rate: Double

    func update<Element: RealElement>(_ elements: OptimizedElements<Element>) {
      guard let means = elements.states.0, let squares = elements.states.1 else { return }
      let (alpha, beta) = (Element(operation.alpha), Element(operation.beta))
      let (newAlpha, newBeta) = (Element(1 - operation.alpha), Element(1 - operation.beta))
      let (norm, kept) = (Element(operation.norm), Element(1 - operation.normAfter))
      let (rate, epsilon) = (Element(rate), Element(operation.epsilon))
      for i in 0..<elements.count {
        let x = elements.x[i]
        let gradient = norm * x + elements.gradient[i]
        let mean = alpha * means[i] + newAlpha * gradient
        let square = beta * squares[i] + newBeta * (gradient * gradient)
        elements.newX?[i] = kept * (x - rate * (mean / (square.squareRoot() + epsilon)))
        elements.newStates.0?[i] = mean
        elements.newStates.1?[i] = square
      }
    }
  }

  func rule(rate: Double, step: Int) -> Rule {
    guard step > 0 else { return Rule(operation: self, rate: rate) }
    let correction =
      (1 - pow(beta, Double(step))).squareRoot() / (1 - pow(alpha, Double(step)))
    return Rule(operation: self, rate: rate * correction)
  }

  /// By hand.
  static var examples: [OperatorExample] {
    let settings: [ByteString: Attribute] = [
      "alpha": .float(0.5), "beta": .float(0.75), "epsilon": .float(0),
    ]
    return [
      OperatorExample(
        "the first step is not corrected", attributes: settings,
        inputs: [
          .floats([0.5], []), .integers([0], []), .floats([1, -2], [2]), .floats([2, -4], [2]),
          .floats([0, 0], [2]), .floats([0, 0], [2]),
        ],
        outputs: [.floats([0.5, -1.5], [2]), .floats([1, -2], [2]), .floats([1, 4], [2])]),
      OperatorExample(
        "two tensors, corrected, with both norms",
        attributes: settings.merging([
          "norm_coefficient": .float(0.25), "norm_coefficient_post": .float(0.5),
        ]) { $1 },
        inputs: [
          .floats([0.5], [1]), .integers([1], [1]), .floats([4], [1]), .floats([8], [1, 1]),
          .floats([1], [1]), .floats([0], [1, 1]), .floats([0], [1]), .floats([2], [1, 1]),
          .floats([0], [1]), .floats([4], [1, 1]),
        ],
        // The gradients with their norms are 2 and 2, the rate is 0.5 · 0.5 / 0.5.
        outputs: [
          .floats([1.75], [1]), .floats([3.75], [1, 1]), .floats([1], [1]),
          .floats([2], [1, 1]), .floats([1], [1]), .floats([4], [1, 1]),
        ]),
    ]
  }
}
