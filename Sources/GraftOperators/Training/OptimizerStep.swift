import GraftTensor
import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph

/// What the operators of optimizer steps share.
///
/// They read a parameter, its gradient and the state of the rule (all of one shape and type) and make the new
/// parameter and the new state; the learning rate is a float scalar, and the number of the step an int64 scalar.
enum OptimizerStep {
  /// How many elements make a task.
  static let grain = 16384
  /// The new parameter may take the memory of the old one or of the gradient.
  static let inPlaceInputs = [0, 1]

  /// Functions in C, which keep no state.
  struct Kernels: @unchecked Sendable {
    let table: graft_optimizer_table

    init(_ instructionSet: InstructionSet) {
      table = instructionSet.kernels.pointee.optimizer.pointee
    }
  }
}

extension InferenceContext {
  /// Checks the inputs of a step; gives the outputs the type and shape of the parameter, which is input 0.
  ///
  /// - Parameters:
  ///   - tensors: the gradient and the state among the inputs; those left out are not looked at
  ///   - outputCount: how many outputs the parameter and the state have
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

extension PrepareContext {
  /// - Throws: `GraftError` if one of these outputs is not wanted: a step that forgets its state is a mistake.
  func requireOptimizerOutputs(_ indices: [Int]) throws {
    for index in indices where !hasOutput(index) {
      throw GraftError.unsupported("output \(index) of an optimizer's step has to be kept")
    }
  }
}

extension AttributeReader {
  /// The decimal number that a float attribute stands for, in double: 0.999 instead of 0.99900001287….
  ///
  /// Rules use the complements of such numbers, in which the float's rounding error is a thousand times larger.
  func decimal(_ name: String, default value: Double) throws -> Double {
    guard let number = try float(name) else { return value }
    // The shortest decimal that rounds to the float.
    return Double(number.description) ?? Double(number)
  }
}
