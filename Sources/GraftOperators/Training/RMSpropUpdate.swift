import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of RMSprop, as Keras defines it:
///
///     square' = rho · square + (1 - rho) · gradient²
///     average' = rho · average + (1 - rho) · gradient
///     variance = square', or max(0, square' - average'²) if the step is centered
///     velocity' = momentum · velocity + rate · gradient / √(variance + epsilon)
///     parameter' = parameter - rate · weightDecay · parameter - velocity'
///
/// Inputs: parameter, gradient, square (all of one shape), learning rate (one float); then
/// velocity, omitted without momentum, and average, which makes the step centered.
/// Outputs: the new parameter and square; the new velocity and average where their old ones are
/// given. Attributes: `rho`, `momentum`, `epsilon`, `weightDecay` (floats).
///
/// Source: <https://keras.io/api/optimizers/rmsprop/>
struct RMSpropUpdate: OptimizerStep {
  static let schema = OperatorSchema(
    "RMSpropUpdate", domain: "graft", since: [1], inputs: 4...6, outputs: 1...4)
  static let states = [(input: 2, output: 1), (input: 4, output: 2), (input: 5, output: 3)]
  static let learningRate = 3

  let settings: graft_optimizer_settings

  init(_ attributes: AttributeReader) throws {
    var settings = graft_optimizer_settings()
    settings.beta2 = try attributes.decimal("rho")
    settings.momentum = try attributes.decimal("momentum", default: 0)
    settings.epsilon = try attributes.decimal("epsilon")
    settings.weight_decay = try attributes.decimal("weightDecay", default: 0)
    self.settings = settings
  }

  static func rule(in table: graft_optimizer_table) -> graft_optimizer_rule? { table.rmsprop }

  func infer(_ context: inout InferenceContext) throws {
    try inferStep(&context)
    guard settings.momentum == 0 || context.hasInput(4) else {
      throw GraftError.badData("has the momentum \(settings.momentum), but no velocity as input 4")
    }
    for (input, output) in [(4, 2), (5, 3)] where !context.hasInput(input) {
      guard output >= context.outputCount || !context.wantedOutputs[output] else {
        throw GraftError.badData("output \(output) requires input \(input)")
      }
    }
  }

  /// By hand, with variances whose roots are 1, 2 and 3.
  static var examples: [OperatorExample] {
    let parameter = Tensor.floats([1, -2, 0.5], [3])
    let gradient = Tensor.floats([1, 2, -4], [3])
    let rate = Tensor.floats([0.5], [])
    let attributes: [ByteString: Attribute] = ["rho": .float(0.5), "epsilon": .float(0)]
    return [
      OperatorExample(
        "plain", attributes: attributes,
        inputs: [parameter, gradient, .floats([1, 4, 2], [3]), rate],
        outputs: [.floats([0.5, -2.5, 1.1666666], [3]), .floats([1, 4, 9], [3])]),
      OperatorExample(
        "momentum and weight decay",
        attributes: attributes.merging([
          "momentum": .float(0.5), "weightDecay": .float(0.25),
        ]) { $1 },
        inputs: [
          parameter, gradient, .floats([1, 4, 2], [3]), rate, .floats([1, -1, 0.25], [3]),
        ],
        outputs: [
          .floats([-0.125, -1.75, 0.9791667], [3]), .floats([1, 4, 9], [3]),
          .floats([1, 0, -0.54166667], [3]),
        ]),
      OperatorExample(
        "centered", attributes: attributes,
        inputs: [
          parameter, gradient, .floats([1, 6, 10], [3]), rate, nil, .floats([-1, 2, -2], [3]),
        ],
        outputs: [
          .floats([0.5, -3, 1.5], [3]), .floats([1, 5, 13], [3]), nil, .floats([0, 2, -3], [3]),
        ]),
      OperatorExample(
        "centered, with momentum",
        attributes: attributes.merging(["momentum": .float(0.5)]) { $1 },
        inputs: [
          parameter, gradient, .floats([1, 6, 10], [3]), rate, .floats([1, -1, 0.25], [3]),
          .floats([-1, 2, -2], [3]),
        ],
        outputs: [
          .floats([0, -2.5, 1.375], [3]), .floats([1, 5, 13], [3]),
          .floats([1, 0.5, -0.875], [3]), .floats([0, 2, -3], [3]),
        ]),
    ]
  }
}
