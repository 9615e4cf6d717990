import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A rule for updating parameters by gradients.
///
/// A rule appends one fused node for each parameter, so that a whole training step is one plan. Its
/// state (moments, velocities) consists of parameters of the graph, so that checkpoints include it.
/// Update equations and defaults are Keras's. Weight decay is decoupled from the gradient:
/// `p ← p·(1 − learningRate·weightDecay)` before each step.
package protocol Optimizer: Sendable {
  /// Its arguments in recipes.
  static var arguments: [OptimizerArgument<Self>] { get }

  /// Appends the update of one parameter, and lists it and the updates of the rule's state in the
  /// graph's updates.
  ///
  /// - Parameters:
  ///   - parameter: one of the graph's parameters
  ///   - gradient: of the parameter's shape
  ///   - learningRate: a scalar, float
  ///   - step: a scalar, int64: the number of this step, from 1
  /// - Throws: `GraftError` if the parameter cannot be trained
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
      throw GraftError.usage("'\(self[parameter].name)' is not a parameter")
    }
    let state =
      value == 0
      ? try Tensor(zeros: tensor.elementType, shape: tensor.shape)
      : try Tensor(
        doubles: Array(repeating: value, count: tensor.elementCount), as: tensor.elementType,
        shape: tensor.shape)
    return addParameter(name: "\(self[parameter].name)/\(name)", state)
  }

  /// A fused node whose outputs are the new values of `changing`: a parameter and its state, in
  /// this order. `nil` entries have no output.
  mutating func addOptimizerStep(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute],
    changing: [ValueID?]
  ) {
    let outputs = changing.map { changed -> ValueID? in
      guard let changed else { return nil }
      let newValue = addValue(name: "\(self[changed].name)/new")
      updates.append(ParameterUpdate(parameter: changed, newValue: newValue))
      return newValue
    }
    nodes.append(
      Node(
        operatorType: operatorType, domain: "graft", inputs: inputs, outputs: outputs,
        attributes: attributes))
  }
}
