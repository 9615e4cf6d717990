import GraftRuntime

/// Averages gradients over several steps, for batches that do not fit into memory at once.
///
/// A step adds its gradients to accumulators, which are parameters: checkpoints keep them. The first one of a group sets
/// them, so that nothing has to clear them. After the last one a graph of its own changes the parameters; it shares
/// them with the graph of the steps, so that neither is planned twice.
///
/// Source: `gradient_accumulation_steps` of <https://keras.io/api/optimizers/>: the optimizer gets the mean of the
/// gradients, is bounded and decays once for a group, and counts groups as its steps.
struct GradientAccumulation {
  /// Has the parameters of the training graph under the same ids.
  let updating: Graph
  /// Inputs of ``updating``: a float scalar, and the number of the group, an int64 scalar from 1.
  let learningRate: ValueID
  let updateNumber: ValueID
  /// Parameters with their mean gradients, values of ``updating``.
  let means: [TrainedParameter]

  /// - Parameters:
  ///   - step: the number of the step, an int64 scalar from 1
  ///   - training: gets the accumulators and their updates
  /// - Throws: `GraftError` if `count` is less than 1.
  init(
    of changed: [TrainedParameter], over count: Int, step: ValueID, in training: inout Graph
  ) throws {
    guard count >= 1 else {
      throw GraftError.usage(
        "gradients cannot be accumulated over \(count) steps", hint: "Use 1 or more")
    }
    let length = training.addConstant(try Tensor(scalar: Int64(count)))
    let first = training.addConstant(try Tensor(scalar: Int64(1 % count)))
    let isFirst = training.addNode("Equal", [training.addNode("Mod", [step, length]), first])
    var accumulators: [ValueID] = []
    for parameter in changed {
      let accumulator = try training.addOptimizerState(
        "accumulated_gradient", of: parameter.id)
      let sum = training.addNode("Add", [accumulator, parameter.gradient])
      let newValue = training.addNode("Where", [isFirst, parameter.gradient, sum])
      training.updates.append(ParameterUpdate(parameter: accumulator, newValue: newValue))
      accumulators.append(accumulator)
    }

    var updating = Graph(name: training.name)
    updating.values = training.values
    updating.parameters = training.parameters
    learningRate = updating.addInput(name: "learning_rate", type: TensorType(.float, []))
    updateNumber = updating.addInput(name: "update", type: TensorType(.int64, []))
    means = try zip(changed, accumulators).map { parameter, accumulator in
      let type = training.parameters[accumulator]?.elementType ?? .float
      let divisor = updating.addConstant(try ElementConversion.scalar(Double(count), as: type))
      return TrainedParameter(
        id: parameter.id, gradient: updating.addNode("Div", [accumulator, divisor]))
    }
    try updating.inferTypes()
    self.updating = updating
  }
}
