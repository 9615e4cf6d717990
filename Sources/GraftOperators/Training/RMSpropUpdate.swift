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
/// Inputs: parameter, gradient, square (all of one shape), learning rate (one float); then velocity, which a step
/// without momentum leaves out, and average, which makes the step centered. Outputs: the new parameter and square;
/// the new velocity and average where their old ones are given. Attributes: `rho`, `momentum`, `epsilon`,
/// `weightDecay` (floats).
///
/// Keras takes the root of a variance that rounding left below 0, too, which may be NaN.
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
    rho = try attributes.decimal("rho", default: 0.9)
    momentum = try attributes.decimal("momentum", default: 0)
    epsilon = try attributes.decimal("epsilon", default: 1e-7)
    weightDecay = try attributes.decimal("weightDecay", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferOptimizerStep(tensors: [1, 2, 4, 5], learningRate: 3, outputCount: 4)
    guard momentum == 0 || context.hasInput(4) else {
      throw GraftError.badData("has the momentum \(momentum), but no velocity as input 4")
    }
    for (input, output) in [(4, 2), (5, 3)] where !context.hasInput(input) {
      guard output >= context.outputCount || !context.wantedOutputs[output] else {
        throw GraftError.badData("output \(output) has no input \(input) to come from")
      }
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    let hasVelocity = context.hasInput(4)
    let isCentered = context.hasInput(5)
    try context.requireOptimizerOutputs(
      [0, 1] + (hasVelocity ? [2] : []) + (isCentered ? [3] : []))
    switch try context.input(0).elementType {
    case .float:
      return floatKernel(count: count, context.instructionSet).overwriting([0: 0, 1: 2, 2: 4, 3: 5])
    case .double: return doubleKernel(count: count).overwriting([0: 0, 1: 2, 2: 4, 3: 5])
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func floatKernel(count: Int, _ instructionSet: InstructionSet) -> PreparedKernel {
    let kernels = OptimizerStep.Kernels(instructionSet)
    let (rho, momentum, epsilon, weightDecay) = (rho, momentum, epsilon, weightDecay)
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let start = range.lowerBound
      let rate = arguments.input(3, as: Float.self).pointee
      let settings = graft_rmsprop_settings(
        learning_rate: rate, decay: Float(Double(rate) * weightDecay), epsilon: Float(epsilon),
        rho: Float(rho), one_minus_rho: Float(1 - rho), momentum: Float(momentum))
      let state = graft_rmsprop_state(
        square: arguments.input(2, as: Float.self) + start,
        new_square: arguments.output(1, as: Float.self) + start,
        velocity: arguments.optionalInput(4, as: Float.self).map { $0 + start },
        new_velocity: arguments.optionalOutput(2, as: Float.self).map { $0 + start },
        average: arguments.optionalInput(5, as: Float.self).map { $0 + start },
        new_average: arguments.optionalOutput(3, as: Float.self).map { $0 + start })
      kernels.table.rmsprop(
        settings, state, arguments.input(0, as: Float.self) + start,
        arguments.input(1, as: Float.self) + start, arguments.output(0, as: Float.self) + start,
        Int64(range.count))
    }
  }

  private func doubleKernel(count: Int) -> PreparedKernel {
    let (rho, momentum, epsilon, weightDecay) = (rho, momentum, epsilon, weightDecay)
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let parameter = arguments.input(0, as: Double.self)
      let gradient = arguments.input(1, as: Double.self)
      let square = arguments.input(2, as: Double.self)
      let rate = Double(arguments.input(3, as: Float.self).pointee)
      let velocity = arguments.optionalInput(4, as: Double.self)
      let average = arguments.optionalInput(5, as: Double.self)
      let newParameter = arguments.output(0, as: Double.self)
      let newSquare = arguments.output(1, as: Double.self)
      let newVelocity = arguments.optionalOutput(2, as: Double.self)
      let newAverage = arguments.optionalOutput(3, as: Double.self)
      for index in range {
        let (old, slope) = (parameter[index], gradient[index])
        var variance = rho * square[index] + (1 - rho) * slope * slope
        newSquare[index] = variance
        if let average, let newAverage {
          newAverage[index] = rho * average[index] + (1 - rho) * slope
          variance -= newAverage[index] * newAverage[index]
          if variance < 0 { variance = 0 }
        }
        var move = rate * slope / (variance + epsilon).squareRoot()
        if let velocity, let newVelocity {
          move += momentum * velocity[index]
          newVelocity[index] = move
        }
        newParameter[index] = old - (rate * weightDecay * old + move)
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
