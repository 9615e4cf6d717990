import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A step of an optimizer: it changes a parameter by its gradient.
///
/// It reads the parameter (input 0), the gradient (input 1) and the state of the rule, all of one
/// shape and type, and computes the new parameter (output 0) and the new state. The learning rate
/// is a float scalar.
protocol OptimizerStep: Operator {
  /// The input and output of each state, in the order of the rule; those without an input are
  /// omitted.
  static var states: [(input: Int, output: Int)] { get }
  /// The index of its input.
  static var learningRate: Int { get }
  var settings: graft_optimizer_settings { get }

  /// The kernel.
  static func rule(in table: graft_optimizer_table) -> graft_optimizer_rule?
  /// The learning rate with all corrections of the rule.
  func stepSize(_ rate: Double, _ arguments: KernelArguments) -> Double
}

extension OptimizerStep {
  static var flushesSubnormals: Bool { true }

  func stepSize(_ rate: Double, _ arguments: KernelArguments) -> Double { rate }

  func infer(_ context: inout InferenceContext) throws { try inferStep(&context) }

  /// Checks the inputs; the outputs have the type and shape of the parameter.
  func inferStep(_ context: inout InferenceContext) throws {
    let tensors = [1] + Self.states.map(\.input)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0] + tensors)
    try context.require(Self.learningRate, [.float])
    try context.requireOneElement(Self.learningRate)
    let parameter = try context.input(0)
    for output in [0] + Self.states.map(\.output) {
      context.setOutput(output, .tensor(parameter))
    }
    let shape = try context.shape(0)
    for index in tensors where context.hasInput(index) {
      guard try context.input(index).shape != nil else { continue }
      try context.requireShapeAgrees(index, shape)
    }
  }

  /// - Throws: `GraftError` if an output is unused, as a step must not lose its state
  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let pairs = [(input: 0, output: 0)] + Self.states
    for (input, output) in pairs where context.hasInput(input) && !context.hasOutput(output) {
      throw GraftError.unsupported("output \(output) of an optimizer step must be used")
    }
    let parameter = try context.input(0)
    guard parameter.elementType == .float || parameter.elementType == .double else {
      return try context.converting(.halfPrecision, to: .float) { try prepare($0) }
    }
    let element = Int(try parameter.elementType.requireKernelElement())
    let byteWidth = parameter.elementType.byteWidth
    let rule = Self.rule(in: context.instructionSet.kernels.pointee.optimizer[element].pointee)
    return .parallel(count: parameter.elementCount, grain: 16384, inPlaceInputs: [0, 1]) {
      arguments, range in
      let offset = range.lowerBound * byteWidth
      var step = graft_optimizer_step()
      step.settings = settings
      step.count = Int64(range.count)
      step.parameter = arguments.input(0) + offset
      step.gradient = arguments.input(1) + offset
      step.new_parameter = arguments.output(0) + offset
      step.learning_rate = Double(
        arguments.input(Self.learningRate, as: Float.self).pointee)
      step.step_size = stepSize(step.learning_rate, arguments)
      withUnsafeMutableBytes(of: &step.states) { bytes in
        let all = bytes.bindMemory(to: graft_optimizer_state.self)
        for (index, state) in Self.states.enumerated() {
          all[index] = graft_optimizer_state(
            old_values: arguments.optionalInput(state.input, as: UInt8.self).map { $0 + offset },
            new_values: arguments.optionalOutput(state.output, as: UInt8.self).map { $0 + offset })
        }
      }
      rule?(&step)
    }.overwriting(Dictionary(uniqueKeysWithValues: pairs.map { ($0.output, $0.input) }))
  }
}

extension AttributeReader {
  /// The decimal number of a float attribute, in double: 0.999 instead of 0.99900001287….
  ///
  /// Rules use 1 minus such a number, in which the float's rounding error weighs a thousand times
  /// more.
  ///
  /// - Throws: `GraftError` if it is missing and there is no default
  func decimal(_ name: String, default value: Double? = nil) throws -> Double {
    guard let number = try float(name) else { return try required(name, value) }
    // The shortest decimal that rounds to the float.
    return Double(number.description) ?? Double(number)
  }
}
