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
/// Like Keras, takes the root even of a variance that rounding made negative, which may give NaN.
///
/// Source: <https://keras.io/api/optimizers/rmsprop/>
struct RMSpropUpdate: Operator {
  static let schema = OperatorSchema(
    "RMSpropUpdate", domain: "graft", since: [1], inputs: 4...6, outputs: 1...4)
  static let flushesSubnormals = true

  private let rho: Double
  private let momentum: Double
  private let epsilon: Double
  private let weightDecay: Double

  init(_ attributes: AttributeReader) throws {
    rho = try attributes.decimal("rho")
    momentum = try attributes.decimal("momentum", default: 0)
    epsilon = try attributes.decimal("epsilon")
    weightDecay = try attributes.decimal("weightDecay", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferOptimizerStep(tensors: [1, 2, 4, 5], learningRate: 3, outputCount: 4)
    guard momentum == 0 || context.hasInput(4) else {
      throw GraftError.badData("has the momentum \(momentum), but no velocity as input 4")
    }
    for (input, output) in [(4, 2), (5, 3)] where !context.hasInput(input) {
      guard output >= context.outputCount || !context.wantedOutputs[output] else {
        throw GraftError.badData("output \(output) needs input \(input)")
      }
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (rho, momentum, epsilon, weightDecay) = (rho, momentum, epsilon, weightDecay)
    return try context.optimizerStep(
      { $0.rmsprop },
      states: [(input: 2, output: 1), (input: 4, output: 2), (input: 5, output: 3)],
      learningRate: 3
    ) { step, _ in
      step.beta2 = rho
      step.momentum = momentum
      step.epsilon = epsilon
      step.weight_decay = weightDecay
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
