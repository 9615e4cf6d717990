import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of stochastic gradient descent with momentum, as Keras defines it:
///
///     velocity' = momentum · velocity - rate · gradient
///     parameter' = parameter · (1 - rate · weightDecay) + velocity'
///
/// With `nesterov` the parameter changes by momentum · velocity' - rate · gradient instead.
///
/// Inputs: parameter, gradient, velocity (all of one shape), learning rate (one float). Outputs:
/// the new parameter, the new velocity. Attributes: `momentum`, `weightDecay` (floats), `nesterov`
/// (0 or 1).
///
/// Source: <https://keras.io/api/optimizers/sgd/>
struct SGDMomentumUpdate: OptimizerStep {
  static let schema = OperatorSchema(
    "SGDMomentumUpdate", domain: "graft", since: [1], inputs: 4...4, outputs: 1...2)
  static let states = [(input: 2, output: 1)]
  static let learningRate = 3

  let settings: graft_optimizer_settings

  init(_ attributes: AttributeReader) throws {
    var settings = graft_optimizer_settings()
    settings.momentum = try attributes.decimal("momentum", default: 0)
    settings.weight_decay = try attributes.decimal("weightDecay", default: 0)
    settings.nesterov = try attributes.flag("nesterov") ? 1 : 0
    self.settings = settings
  }

  static func rule(in table: graft_optimizer_table) -> graft_optimizer_rule? { table.sgd_momentum }

  static var examples: [OperatorExample] {
    let inputs: [Tensor] = [
      .floats([1, -2, 0.5], [3]), .floats([0.5, 1, -4], [3]), .floats([0.25, -0.5, 0], [3]),
      .floats([0.5], []),
    ]
    return [
      OperatorExample(
        "momentum", attributes: ["momentum": .float(0.5)], inputs: inputs,
        outputs: [.floats([0.875, -2.75, 2.5], [3]), .floats([-0.125, -0.75, 2], [3])]),
      OperatorExample(
        "Nesterov", attributes: ["momentum": .float(0.5), "nesterov": .int(1)], inputs: inputs,
        outputs: [.floats([0.6875, -2.875, 3.5], [3]), .floats([-0.125, -0.75, 2], [3])]),
      OperatorExample(
        "weight decay", attributes: ["weightDecay": .float(0.25)], inputs: inputs,
        outputs: [.floats([0.625, -2.25, 2.4375], [3]), .floats([-0.25, -0.5, 2], [3])]),
    ]
  }
}
