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
struct AdaGradUpdate: Operator {
  static let schema = OperatorSchema(
    "AdaGradUpdate", domain: "graft", since: [1], inputs: 4...4, outputs: 1...2)
  static let flushesSubnormals = true

  private let epsilon: Double
  private let weightDecay: Double

  init(_ attributes: AttributeReader) throws {
    epsilon = try attributes.decimal("epsilon")
    weightDecay = try attributes.decimal("weightDecay", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferOptimizerStep(tensors: [1, 2], learningRate: 3, outputCount: 2)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let (epsilon, weightDecay) = (epsilon, weightDecay)
    return try context.optimizerStep(
      { $0.adagrad }, states: [(input: 2, output: 1)], learningRate: 3
    ) { step, _ in
      step.epsilon = epsilon
      step.weight_decay = weightDecay
    }
  }

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
