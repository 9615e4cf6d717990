import GraftRuntime

/// A rule by which gradients change parameters; each in a file of its own.
///
/// A rule appends one fused node for each parameter, so that a whole training step is one plan. Its state (moments,
/// velocities) are parameters of the graph, too, which checkpoints therefore keep. Update equations and defaults are
/// those of Keras.
package protocol Optimizer: Sendable {
  /// Appends the update of one parameter, and lists it and that of the rule's state in the graph's updates.
  ///
  /// - Parameters:
  ///   - parameter: one of the graph's parameters
  ///   - gradient: of the parameter's shape
  ///   - learningRate: a scalar, float
  ///   - step: a scalar, int64: the number of this step, from 1
  /// - Throws: `GraftError` if the parameter cannot be trained.
  func appendUpdate(
    of parameter: ValueID, gradient: ValueID, learningRate: ValueID, step: ValueID,
    to graph: inout Graph
  ) throws
}

extension Graph {
  /// A parameter of a rule's state: zeros (or another `value`) of the parameter's type and shape.
  package mutating func addOptimizerState(
    _ name: String, of parameter: ValueID, value: Double = 0
  ) throws -> ValueID {
    guard let tensor = parameters[parameter] else {
      throw GraftError.usage("'\(self[parameter].name)' is no parameter")
    }
    let state = try Tensor(
      doubles: Array(repeating: value, count: tensor.elementCount), as: tensor.elementType,
      shape: tensor.shape)
    return addParameter(name: "\(self[parameter].name)/\(name)", state)
  }
}
