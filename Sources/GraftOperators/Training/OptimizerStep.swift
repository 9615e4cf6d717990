import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The common part of optimizer step operators.
///
/// They read a parameter (input 0), its gradient (input 1) and the state of the rule, all of one
/// shape and type, and compute the new parameter (output 0) and the new state. The learning rate is
/// a float scalar, and the step number an int64 scalar.
extension PrepareContext {
  /// A kernel that runs a rule in C over all elements.
  ///
  /// - Parameters:
  ///   - states: the input and output of each state, in the order of the rule; those without an
  ///     input are omitted
  ///   - learningRate: the index of its input
  ///   - configure: sets the other fields that the rule reads
  /// - Throws: `GraftError` if an output is unused, as a step must not lose its state
  func optimizerStep(
    _ rule: (graft_optimizer_table) -> graft_optimizer_rule?, states: [(input: Int, output: Int)],
    learningRate: Int,
    _ configure: @escaping @Sendable (inout graft_optimizer_step, KernelArguments) -> Void
  ) throws -> PreparedKernel {
    let pairs = [(input: 0, output: 0)] + states
    for (input, output) in pairs where hasInput(input) && !hasOutput(output) {
      throw GraftError.unsupported("output \(output) of an optimizer step must be used")
    }
    let parameter = try input(0)
    guard parameter.elementType == .float || parameter.elementType == .double else {
      return try converting(.halfPrecision, to: .float) {
        try $0.optimizerStep(rule, states: states, learningRate: learningRate, configure)
      }
    }
    let element = Int(try parameter.elementType.requireKernelElement())
    let byteWidth = parameter.elementType.byteWidth
    let rule = rule(instructionSet.kernels.pointee.optimizer[element].pointee)
    return .parallel(count: parameter.elementCount, grain: 16384, inPlaceInputs: [0, 1]) {
      arguments, range in
      let offset = range.lowerBound * byteWidth
      var step = graft_optimizer_step()
      step.count = Int64(range.count)
      step.parameter = arguments.input(0) + offset
      step.gradient = arguments.input(1) + offset
      step.new_parameter = arguments.output(0) + offset
      step.learning_rate = Double(arguments.input(learningRate, as: Float.self).pointee)
      configure(&step, arguments)
      withUnsafeMutableBytes(of: &step.states) { bytes in
        let all = bytes.bindMemory(to: graft_optimizer_state.self)
        for (index, state) in states.enumerated() {
          all[index] = graft_optimizer_state(
            old_values: arguments.optionalInput(state.input, as: UInt8.self).map { $0 + offset },
            new_values: arguments.optionalOutput(state.output, as: UInt8.self).map { $0 + offset })
        }
      }
      rule?(&step)
    }.overwriting(Dictionary(uniqueKeysWithValues: pairs.map { ($0.output, $0.input) }))
  }
}

extension InferenceContext {
  /// Checks the inputs of a step; the outputs have the type and shape of the parameter, which is
  /// input 0.
  ///
  /// - Parameters:
  ///   - tensors: the indices of the gradient and the state; omitted ones are not checked
  ///   - outputCount: the number of outputs for the parameter and the state
  mutating func inferOptimizerStep(
    tensors: [Int], learningRate: Int, step: Int? = nil, outputCount: Int
  ) throws {
    try require(0, .floatingPoint)
    try requireSameElementType([0] + tensors)
    try require(learningRate, [.float])
    try requireOneElement(learningRate)
    if let step {
      try require(step, [.int64])
      try requireOneElement(step)
    }
    let parameter = try input(0)
    for output in 0..<outputCount { setOutput(output, .tensor(parameter)) }
    let shape = try shape(0)
    for index in tensors where hasInput(index) {
      guard try input(index).shape != nil else { continue }
      try requireShapeAgrees(index, shape)
    }
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
