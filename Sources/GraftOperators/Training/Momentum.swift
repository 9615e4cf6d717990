import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of gradient descent with momentum V:
///
///     G' = norm_coefficient · X + G
///     V' = alpha · V + (T > 0 ? beta : 1) · G'
///     X' = X - R · V', or with Nesterov's momentum X - R · (G' + alpha · V')
///
/// Inputs and outputs are as ``TensorOptimizer`` has them, with one state, V.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Momentum.html>
struct Momentum: TensorOptimizer {
  static let schema = OperatorSchema(
    "Momentum", domain: OperatorDomain.previewTraining, since: [1],
    inputs: 3...OperatorSchema.unlimited, outputs: 1...OperatorSchema.unlimited)
  static let stateCount = 1

  private let alpha: Double
  private let beta: Double
  private let norm: Double
  private let looksAhead: Bool

  init(_ attributes: AttributeReader) throws {
    func number(_ name: String) throws -> Double {
      Double(try attributes.required(name, attributes.float(name)))
    }
    alpha = try number("alpha")
    beta = try number("beta")
    norm = try number("norm_coefficient")
    _ = try attributes.required("mode", attributes.string("mode"))
    let mode = try attributes.choice("mode", default: "", of: ["nesterov", "standard"])
    looksAhead = mode == "nesterov"
  }

  struct Rule: OptimizerRule {
    fileprivate let operation: Momentum
    fileprivate let rate: Double
    fileprivate let step: Int

    func update<Element: RealElement>(_ elements: OptimizedElements<Element>) {
      guard let velocity = elements.states.0 else { return }
      let (rate, norm) = (Element(rate), Element(operation.norm))
      let alpha = Element(operation.alpha)
      let beta = step > 0 ? Element(operation.beta) : 1
      for i in 0..<elements.count {
        let x = elements.x[i]
        let gradient = norm * x + elements.gradient[i]
        let next = alpha * velocity[i] + beta * gradient
        let direction = operation.looksAhead ? gradient + alpha * next : next
        elements.newX?[i] = x - rate * direction
        elements.newStates.0?[i] = next
      }
    }
  }

  func rule(rate: Double, step: Int) -> Rule { Rule(operation: self, rate: rate, step: step) }

  /// By hand, in numbers that floats hold exactly.
  static var examples: [OperatorExample] {
    let settings: [ByteString: Attribute] = [
      "alpha": .float(0.5), "beta": .float(0.25), "norm_coefficient": .float(0.125),
    ]
    let (x, gradient) = (Tensor.floats([8, -4], [2]), Tensor.floats([1, 0.5], [2]))
    let velocity = Tensor.floats([2, 4], [2])
    return [
      OperatorExample(
        "standard", attributes: settings.merging(["mode": .string("standard")]) { $1 },
        inputs: [.floats([0.5], []), .integers([3], []), x, gradient, velocity],
        // The gradient with its norm is 2, 0.
        outputs: [.floats([7.25, -5], [2]), .floats([1.5, 2], [2])]),
      OperatorExample(
        "Nesterov's, the first step",
        attributes: settings.merging(["mode": .string("nesterov")]) { $1 },
        inputs: [.floats([0.5], [1]), .integers([0], [1]), x, gradient, velocity],
        outputs: [.floats([6.25, -4.5], [2]), .floats([3, 2], [2])]),
      OperatorExample(
        "two tensors, of which one is double",
        attributes: settings.merging(["mode": .string("standard")]) { $1 },
        inputs: [
          .floats([0.5], []), .integers([1], []), x, .example([8.0], [1, 1]),
          gradient, .example([1.0], [1, 1]), velocity, .example([2.0], [1, 1]),
        ],
        outputs: [
          .floats([7.25, -5], [2]), .example([7.25], [1, 1]), .floats([1.5, 2], [2]),
          .example([1.5], [1, 1]),
        ]),
    ]
  }
}
