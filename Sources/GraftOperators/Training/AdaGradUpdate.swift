import GraftFiles
import CGraftKernels
import GraftExecution
import GraftGraph
import GraftTensor

/// A step of AdaGrad, as Keras defines it:
///
///     accumulator' = accumulator + gradient²
///     parameter' = parameter - rate · weightDecay · parameter - rate · gradient / √(accumulator' + epsilon)
///
/// Inputs: parameter, gradient, accumulator (all of one shape), learning rate (one float). Outputs: the new
/// parameter, the new accumulator. Attributes: `epsilon`, `weightDecay` (floats).
///
/// Source: <https://keras.io/api/optimizers/adagrad/>
struct AdaGradUpdate: Operator {
  static let schema = OperatorSchema(
    "AdaGradUpdate", domain: "graft", since: [1], inputs: 4...4, outputs: 1...2)
  static let flushesSubnormals = true

  private let epsilon: Double
  private let weightDecay: Double

  init(_ attributes: AttributeReader) throws {
    epsilon = try attributes.decimal("epsilon", default: 1e-7)
    weightDecay = try attributes.decimal("weightDecay", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.inferOptimizerStep(tensors: [1, 2], learningRate: 3, outputCount: 2)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    try context.requireOptimizerOutputs([0, 1])
    switch try context.input(0).elementType {
    case .float: return floatKernel(count: count, context.instructionSet).overwriting([0: 0, 1: 2])
    case .double: return doubleKernel(count: count).overwriting([0: 0, 1: 2])
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func floatKernel(count: Int, _ instructionSet: InstructionSet) -> PreparedKernel {
    let kernels = OptimizerStep.Kernels(instructionSet)
    let (epsilon, weightDecay) = (epsilon, weightDecay)
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let start = range.lowerBound
      let rate = arguments.input(3, as: Float.self).pointee
      let settings = graft_adagrad_settings(
        learning_rate: rate, decay: Float(Double(rate) * weightDecay), epsilon: Float(epsilon))
      kernels.table.adagrad(
        settings, arguments.input(0, as: Float.self) + start,
        arguments.input(1, as: Float.self) + start, arguments.input(2, as: Float.self) + start,
        arguments.output(0, as: Float.self) + start, arguments.output(1, as: Float.self) + start,
        Int64(range.count))
    }
  }

  private func doubleKernel(count: Int) -> PreparedKernel {
    let (epsilon, weightDecay) = (epsilon, weightDecay)
    return .parallel(
      count: count, grain: OptimizerStep.grain, inPlaceInputs: OptimizerStep.inPlaceInputs
    ) { arguments, range in
      let parameter = arguments.input(0, as: Double.self)
      let gradient = arguments.input(1, as: Double.self)
      let accumulator = arguments.input(2, as: Double.self)
      let rate = Double(arguments.input(3, as: Float.self).pointee)
      let newParameter = arguments.output(0, as: Double.self)
      let newAccumulator = arguments.output(1, as: Double.self)
      for index in range {
        let (old, slope) = (parameter[index], gradient[index])
        let sum = accumulator[index] + slope * slope
        newAccumulator[index] = sum
        newParameter[index] =
          old - (rate * weightDecay * old + rate * slope / (sum + epsilon).squareRoot())
      }
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
