import CGraftKernels

/// A step of stochastic gradient descent with momentum, as Keras defines it:
///
///     velocity' = momentum · velocity - rate · gradient
///     parameter' = parameter · (1 - rate · weightDecay) + velocity'
///
/// With `nesterov` the parameter moves by momentum · velocity' - rate · gradient instead.
///
/// Inputs: parameter, gradient, velocity (all of one shape), learning rate (one float). Outputs:
/// the new parameter, the new velocity. Attributes: `momentum`, `weightDecay` (floats), `nesterov`
/// (0 or 1).
///
/// Source: <https://keras.io/api/optimizers/sgd/>
struct SGDMomentumUpdate: Operator {
  static let schema = OperatorSchema(
    "SGDMomentumUpdate", domain: "graft", since: [1], inputs: 4...4, outputs: 1...2)

  let momentum: Float
  let weightDecay: Float
  let usesNesterov: Bool

  init(_ attributes: AttributeReader) throws {
    momentum = try attributes.float("momentum", default: 0)
    weightDecay = try attributes.float("weightDecay", default: 0)
    usesNesterov = try attributes.flag("nesterov")
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.require(3, [.float])
    let elementType = try context.elementType(0)
    for output in 0...1 { context.setOutput(output, elementType, nil) }
    let shape = try context.shape(0)
    for output in 0...1 { context.setOutput(output, elementType, shape) }
    for index in [1, 2] {
      let other = try context.shape(index)
      let differs =
        other.count != shape.count
        || zip(other, shape).contains { left, right in
          if let left = left.known, let right = right.known { left != right } else { false }
        }
      guard !differs else {
        throw GraftError.badData("input \(index) has shape \(other), the parameter \(shape)")
      }
    }
    if let count = try context.shape(3).elementCount.known, count != 1 {
      throw GraftError.badData("the learning rate has \(count) elements; expected 1")
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = try context.input(0).elementCount
    guard context.hasOutput(0), context.hasOutput(1) else {
      throw GraftError.unsupported("both outputs of SGDMomentumUpdate are needed")
    }
    switch try context.input(0).elementType {
    case .float: return floatKernel(count: count, context.instructionSet)
    case .double: return doubleKernel(count: count)
    default: return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
  }

  private func floatKernel(count: Int, _ instructionSet: InstructionSet) -> PreparedKernel {
    let step = StepFunction(table: graft_optimizer_kernels(instructionSet.rawValue).pointee)
    let (momentum, weightDecay, usesNesterov) = (momentum, weightDecay, usesNesterov)
    return .parallel(count: count, grain: 16384, inPlaceInputs: [0]) { arguments, range in
      let start = range.lowerBound
      let settings = graft_sgd_settings(
        learning_rate: arguments.input(3, as: Float.self).pointee, momentum: momentum,
        weight_decay: weightDecay, nesterov: usesNesterov ? 1 : 0)
      step.table.sgd_momentum(
        settings, arguments.input(0, as: Float.self) + start,
        arguments.input(1, as: Float.self) + start, arguments.input(2, as: Float.self) + start,
        arguments.output(0, as: Float.self) + start, arguments.output(1, as: Float.self) + start,
        Int64(range.count))
    }
  }

  /// Functions in C, which keep no state.
  private struct StepFunction: @unchecked Sendable {
    let table: graft_optimizer_table
  }

  private func doubleKernel(count: Int) -> PreparedKernel {
    let momentum = Double(momentum)
    let weightDecay = Double(weightDecay)
    let usesNesterov = usesNesterov
    return .parallel(count: count, grain: 16384, inPlaceInputs: [0]) { arguments, range in
      let parameter = arguments.input(0, as: Double.self)
      let gradient = arguments.input(1, as: Double.self)
      let velocity = arguments.input(2, as: Double.self)
      let rate = Double(arguments.input(3, as: Float.self).pointee)
      let newParameter = arguments.output(0, as: Double.self)
      let newVelocity = arguments.output(1, as: Double.self)
      let kept = 1 - rate * weightDecay
      for index in range {
        let step = rate * gradient[index]
        let speed = momentum * velocity[index] - step
        newVelocity[index] = speed
        let move = usesNesterov ? momentum * speed - step : speed
        newParameter[index] = parameter[index] * kept + move
      }
    }
  }

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
