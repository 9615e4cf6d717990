import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of AdaGrad, with the sum H of squared gradients:
///
///     G' = norm_coefficient · X + G
///     H' = H + G' · G'
///     X' = X - R / (1 + T · decay_factor) · G' / (√H' + epsilon)
///
/// Inputs and outputs are as ``TensorOptimizer`` has them, with one state, H.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Adagrad.html>. Source:
/// Duchi et al., <https://jmlr.org/papers/volume12/duchi11a/duchi11a.pdf>
struct Adagrad: TensorOptimizer {
  static let schema = OperatorSchema(
    "Adagrad", domain: OperatorDomain.previewTraining, since: [1],
    inputs: 3...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)
  static let stateCount = 1

  private let norm: Double
  private let decay: Double
  private let epsilon: Double

  init(_ attributes: AttributeReader) throws {
    norm = Double(try attributes.float("norm_coefficient", default: 0))
    decay = Double(try attributes.float("decay_factor", default: 0))
    epsilon = Double(try attributes.float("epsilon", default: 1e-6))
  }

  struct Rule: OptimizerRule {
    fileprivate let operation: Adagrad
    fileprivate let rate: Double

    func update<Element: RealElement>(_ elements: OptimizedElements<Element>) {
      guard let squares = elements.states.0 else { return }
      let (rate, norm) = (Element(rate), Element(operation.norm))
      let epsilon = Element(operation.epsilon)
      for i in 0..<elements.count {
        let x = elements.x[i]
        let gradient = norm * x + elements.gradient[i]
        let next = squares[i] + gradient * gradient
        elements.newX?[i] = x - rate * gradient / (next.squareRoot() + epsilon)
        elements.newStates.0?[i] = next
      }
    }
  }

  func rule(rate: Double, step: Int) -> Rule {
    Rule(operation: self, rate: rate / (1 + Double(step) * decay))
  }

  /// By hand, in numbers that floats hold exactly.
  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "defaults but for epsilon", attributes: ["epsilon": .float(0)],
        inputs: [
          .floats([0.5], []), .integers([0], []), .floats([1, 2], [2]), .floats([3, -4], [2]),
          .floats([16, 9], [2]),
        ],
        outputs: [.floats([0.7, 2.4], [2]), .floats([25, 25], [2])]),
      OperatorExample(
        "two tensors, decay and norm",
        attributes: [
          "epsilon": .float(0.5), "decay_factor": .float(0.5), "norm_coefficient": .float(0.25),
        ],
        inputs: [
          .floats([6], []), .integers([4], []), .floats([4], [1]), .example([8.0], [1, 1]),
          .floats([2], [1]), .example([-4.0], [1, 1]), .floats([0], [1]),
          .example([2.25 - 4], [1, 1]),
        ],
        // The gradients with their norms are 3 and -2, the rate is 2.
        outputs: [
          .floats([4 - 6 / 3.5], [1]), .example([10.0], [1, 1]), .floats([9], [1]),
          .example([2.25], [1, 1]),
        ]),
    ]
  }
}
