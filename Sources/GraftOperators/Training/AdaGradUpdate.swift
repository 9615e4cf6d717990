import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of AdaGrad, as Keras defines it:
///
///     accumulator' = accumulator + gradient²
///     parameter' = parameter · (1 - rate · weightDecay)
///       - rate · gradient / √(accumulator' + epsilon)
///
/// Inputs: parameter, gradient, accumulator (all of one shape), learning rate (one float). Outputs:
/// the new parameter, the new accumulator. Attributes: `epsilon`, `weightDecay` (floats).
///
/// Source: <https://keras.io/api/optimizers/adagrad/>
struct AdaGradUpdate: OptimizerStep {
  static let schema = OperatorSchema(
    "AdaGradUpdate", domain: "graft", since: [1], inputs: 4...4, outputs: 1...2)
  static let states = [(input: 2, output: 1)]
  static let learningRate = 3

  let settings: graft_optimizer_settings

  init(_ attributes: AttributeReader) throws {
    var settings = graft_optimizer_settings()
    settings.epsilon = try attributes.decimal("epsilon")
    settings.weight_decay = try attributes.decimal("weightDecay", default: 0)
    self.settings = settings
  }

  static func rule(in table: graft_optimizer_table) -> graft_optimizer_rule? { table.adagrad }

  /// By hand, with sums whose roots are 0.5, 2 and 5.
  static var examples: [OperatorExample] {
    let inputs: [Tensor] = [
      .floats([1, -2, 0.5], [3]), .floats([0.5, 1, -4], [3]), .floats([0, 3, 9], [3]),
      .floats([0.5], []),
    ]
    return [
      OperatorExample(
        "no epsilon", attributes: ["epsilon": .float(0)], inputs: inputs,
        outputs: [.floats([0.5, -2.25, 0.9], [3]), .floats([0.25, 4, 25], [3])]),
      OperatorExample(
        "weight decay", attributes: ["epsilon": .float(0), "weightDecay": .float(0.25)],
        inputs: inputs,
        outputs: [.floats([0.375, -2, 0.8375], [3]), .floats([0.25, 4, 25], [3])]),
      OperatorExample(
        "epsilon where nothing was summed", attributes: ["epsilon": .float(0.25)],
        inputs: [.floats([1], [1]), .floats([0], [1]), .floats([0], [1]), .floats([2], [])],
        outputs: [.floats([1], [1]), .floats([0], [1])]),
    ]
  }
}
