import GraftRuntime

/// Gradient descent with momentum: `v ← momentum·v − learningRate·g`, `p ← p + v`.
///
/// Source: <https://keras.io/api/optimizers/sgd/>
package struct StochasticGradientDescent: Sendable {
  package var momentum: Float
  package var isNesterov: Bool
  /// L2 penalty on the parameters.
  package var weightDecay: Float

  package init(momentum: Float = 0.9, isNesterov: Bool = false, weightDecay: Float = 0) {
    self.momentum = momentum
    self.isNesterov = isNesterov
    self.weightDecay = weightDecay
  }

  /// Appends the update of each parameter as nodes, and lists it in the graph's updates.
  ///
  /// - Parameter learningRate: a scalar of the graph
  package func append(
    to graph: inout Graph, gradients: [ValueID: ValueID], learningRate: ValueID
  ) throws {
    for (parameter, gradient) in gradients.sorted(by: { $0.key < $1.key }) {
      guard let tensor = graph.parameters[parameter] else {
        throw GraftError.usage("'\(graph[parameter].name)' is no parameter")
      }
      let velocity = graph.addParameter(
        name: "\(graph[parameter].name)/velocity",
        try Tensor(zeros: tensor.elementType, shape: tensor.shape))
      let outputs = graph.addNode(
        "SGDMomentumUpdate", domain: "graft", [parameter, gradient, velocity, learningRate],
        attributes: [
          "momentum": .float(momentum), "nesterov": .int(isNesterov ? 1 : 0),
          "weightDecay": .float(weightDecay),
        ],
        outputCount: 2)
      graph.updates.append(ParameterUpdate(parameter: parameter, newValue: outputs[0]))
      graph.updates.append(ParameterUpdate(parameter: velocity, newValue: outputs[1]))
    }
  }
}
