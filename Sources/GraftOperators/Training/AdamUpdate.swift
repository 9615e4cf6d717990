import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of Adam, as Keras defines it; with `weightDecay` that of AdamW:
///
///     mean' = mean + (1 - beta1) · (gradient - mean)
///     square' = square + (1 - beta2) · (gradient² - square)
///     size = rate · √(1 - beta2^step) / (1 - beta1^step)
///     parameter' = parameter · (1 - rate · weightDecay) - size · mean' / (√square' + epsilon)
///
/// Inputs: parameter, gradient, mean, square (all of one shape), learning rate (one float), step
/// (one int64, from 1). Outputs: the new parameter, mean and square. Attributes: `beta1`, `beta2`,
/// `epsilon`, `weightDecay` (floats).
///
/// Sources: <https://keras.io/api/optimizers/adam/>, <https://keras.io/api/optimizers/adamw/>;
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization", <https://arxiv.org/abs/1412.6980>,
/// the form before section 2.1
struct AdamUpdate: OptimizerStep {
  static let schema = OperatorSchema(
    "AdamUpdate", domain: "graft", since: [1], inputs: 6...6, outputs: 1...3)
  static let states = [(input: 2, output: 1), (input: 3, output: 2)]
  static let learningRate = 4

  let settings: graft_optimizer_settings

  init(_ attributes: AttributeReader) throws {
    var settings = graft_optimizer_settings()
    settings.beta1 = try attributes.decimal("beta1")
    settings.beta2 = try attributes.decimal("beta2")
    settings.epsilon = try attributes.decimal("epsilon")
    settings.weight_decay = try attributes.decimal("weightDecay", default: 0)
    self.settings = settings
  }

  static func rule(in table: graft_optimizer_table) -> graft_optimizer_rule? { table.adam }

  func infer(_ context: inout InferenceContext) throws {
    try inferStep(&context)
    try context.require(5, [.int64])
    try context.requireOneElement(5)
  }

  /// Corrects for averages that start at zero.
  func stepSize(_ rate: Double, _ arguments: KernelArguments) -> Double {
    let number = Double(arguments.input(5, as: Int64.self).pointee)
    return rate * (1 - pow(settings.beta2, number)).squareRoot() / (1 - pow(settings.beta1, number))
  }

  /// By hand, but for the third step.
  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "first step",
        attributes: ["beta1": .float(0.5), "beta2": .float(0.75), "epsilon": .float(0)],
        inputs: [
          .floats([1, -2, 0.5], [3]), .floats([1, -2, 4], [3]), .floats([0, 0, 0], [3]),
          .floats([0, 0, 0], [3]), .floats([0.5], []), .integers([1], []),
        ],
        outputs: [
          .floats([0.5, -1.5, 0], [3]), .floats([0.5, -1, 2], [3]), .floats([0.25, 1, 4], [3]),
        ]),
      OperatorExample(
        "second step, with weight decay",
        attributes: [
          "beta1": .float(0.5), "beta2": .float(0.6), "epsilon": .float(0),
          "weightDecay": .float(0.25),
        ],
        inputs: [
          .floats([1, -2, 0.5], [3]), .floats([1, 0, 2], [3]), .floats([1, -1, 0], [3]),
          .floats([1, 0.15, 4], [3]), .floats([0.375], []), .integers([2], []),
        ],
        outputs: [
          .floats([0.50625, -1.1458333, 0.253125], [3]), .floats([1, -0.5, 1], [3]),
          .floats([1, 0.09, 4], [3]),
        ]),
      OperatorExample(
        "third step with the settings of Keras",
        attributes: ["beta1": .float(0.9), "beta2": .float(0.999), "epsilon": .float(1e-7)],
        inputs: [
          .floats([1, -2, 0.5, 3], [4]), .floats([0.5, -1, 1e-6, 2], [4]),
          .floats([0.5, -0.25, 0, 1], [4]), .floats([0.25, 0.125, 0, 2], [4]),
          .floats([0.125], []), .integers([3], []),
        ],
        outputs: [
          .floats([0.9747487, -1.9768689, 0.48081538, 2.9803689], [4]),
          .floats([0.5, -0.325, 1e-7, 1.1], [4]),
          .floats([0.25, 0.125875, 1e-15, 2.002], [4]),
        ]),
    ]
  }
}
