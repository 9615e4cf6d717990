import GraftTensor
import GraftFiles
import CGraftKernels
import GraftExecution
import GraftGraph

/// A step of Adam, as Keras defines it; with `weightDecay` that of AdamW:
///
///     mean' = mean + (1 - beta1) · (gradient - mean)
///     square' = square + (1 - beta2) · (gradient² - square)
///     size = rate · √(1 - beta2^step) / (1 - beta1^step)
///     parameter' = parameter - rate · weightDecay · parameter - size · mean' / (√square' + epsilon)
///
/// Inputs: parameter, gradient, mean, square (all of one shape), learning rate (one float), step (one int64, from
/// 1). Outputs: the new parameter, mean and square. Attributes: `beta1`, `beta2`, `epsilon`, `weightDecay` (floats).
///
/// Sources: <https://keras.io/api/optimizers/adam/>, <https://keras.io/api/optimizers/adamw/>; Kingma and Ba, "Adam:
/// A Method for Stochastic Optimization", <https://arxiv.org/abs/1412.6980>, the form before section 2.1
struct AdamUpdate: Operator {
  static let schema = OperatorSchema(
    "AdamUpdate", domain: "graft", since: [1], inputs: 6...6, outputs: 1...3)
  static let flushesSubnormals = true

  private let settings: Settings

  /// Decoded attributes.
  private struct Settings: Sendable {
    let beta1: Double
    let beta2: Double
    let epsilon: Double
    let weightDecay: Double

    /// The learning rate with both corrections for averages that start at zero.
    func stepSize(rate: Float, step: Int64) -> Double {
      let step = Double(step)
      return Double(rate) * (1 - pow(beta2, step)).squareRoot() / (1 - pow(beta1, step))
    }
  }

  init(_ attributes: AttributeReader) throws {
    settings = Settings(
      beta1: try attributes.decimal("beta1", default: 0.9),
      beta2: try attributes.decimal("beta2", default: 0.999),
      epsilon: try attributes.decimal("epsilon", default: 1e-7),
      weightDecay: try attributes.decimal("weightDecay", default: 0))
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferOptimizerStep(tensors: [1, 2, 3], learningRate: 4, step: 5, outputCount: 3)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    try context.requireOptimizerOutputs([0, 1, 2])
    switch try context.input(0).elementType {
    case .float:
      return floatKernel(count: count, context.instructionSet).overwriting([0: 0, 1: 2, 2: 3])
    case .double: return doubleKernel(count: count).overwriting([0: 0, 1: 2, 2: 3])
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func floatKernel(count: Int, _ instructionSet: InstructionSet) -> PreparedKernel {
    let kernels = OptimizerStep.Kernels(instructionSet)
    let settings = settings
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let start = range.lowerBound
      let rate = arguments.input(4, as: Float.self).pointee
      let step = arguments.input(5, as: Int64.self).pointee
      kernels.table.adam(
        graft_adam_settings(
          step_size: Float(settings.stepSize(rate: rate, step: step)),
          decay: Float(Double(rate) * settings.weightDecay), epsilon: Float(settings.epsilon),
          one_minus_beta1: Float(1 - settings.beta1), one_minus_beta2: Float(1 - settings.beta2)),
        arguments.input(0, as: Float.self) + start, arguments.input(1, as: Float.self) + start,
        arguments.input(2, as: Float.self) + start, arguments.input(3, as: Float.self) + start,
        arguments.output(0, as: Float.self) + start, arguments.output(1, as: Float.self) + start,
        arguments.output(2, as: Float.self) + start, Int64(range.count))
    }
  }

  private func doubleKernel(count: Int) -> PreparedKernel {
    let settings = settings
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let parameter = arguments.input(0, as: Double.self)
      let gradient = arguments.input(1, as: Double.self)
      let mean = arguments.input(2, as: Double.self)
      let square = arguments.input(3, as: Double.self)
      let rate = arguments.input(4, as: Float.self).pointee
      let step = arguments.input(5, as: Int64.self).pointee
      let newParameter = arguments.output(0, as: Double.self)
      let newMean = arguments.output(1, as: Double.self)
      let newSquare = arguments.output(2, as: Double.self)
      let size = settings.stepSize(rate: rate, step: step)
      let decay = Double(rate) * settings.weightDecay
      for index in range {
        let (old, slope) = (parameter[index], gradient[index])
        let first = mean[index] + (slope - mean[index]) * (1 - settings.beta1)
        let second = square[index] + (slope * slope - square[index]) * (1 - settings.beta2)
        newMean[index] = first
        newSquare[index] = second
        newParameter[index] =
          old - (decay * old + first * size / (second.squareRoot() + settings.epsilon))
      }
    }
  }

  /// By hand, but for the defaults, which are Keras's.
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
        "third step with the defaults",
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
