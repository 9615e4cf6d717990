import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Averages gradients over several steps, for batches that do not fit into memory.
///
/// A step adds its gradients to accumulators, which are parameters and therefore part of
/// checkpoints. The first step of a group sets them, so that nothing has to clear them. After the
/// last step, a separate graph updates the parameters; it shares them with the graph of the steps.
///
/// A group ends with its epoch, even if it is not full, and its mean weights each sample equally: a
/// step counts in proportion to its samples.
///
/// Source: `gradient_accumulation_steps` of <https://keras.io/api/optimizers/>: the optimizer gets
/// the mean of the gradients, clips and decays once per group, and counts groups as steps.
struct GradientAccumulation {
  /// The graph of the update; has the parameters of the training graph under the same IDs.
  let updating: Graph
  /// Inputs of the training graph: whether the step is the first of its group (a bool scalar), and
  /// its weight (a float scalar).
  let isFirst: ValueID
  let weight: ValueID
  /// Inputs of ``updating``: the learning rate (a float scalar), the number of the group (an int64
  /// scalar from 1), and the sum of the weights of its steps (a float scalar).
  let learningRate: ValueID
  let updateNumber: ValueID
  let totalWeight: ValueID
  /// Parameters with their mean gradients, as values of ``updating``.
  let means: [TrainedParameter]

  /// - Parameter training: receives the accumulators and their updates
  init(of changed: [TrainedParameter], in training: inout Graph) throws {
    let isFirst = training.addInput(name: "starts_group", type: TensorType(.bool, []))
    let weight = training.addInput(name: "weight", type: TensorType(.float, []))
    var accumulators: [ValueID] = []
    for parameter in changed {
      let accumulator = try training.addOptimizerState(
        "accumulated_gradient", of: parameter.id)
      let share = training.addNode("Mul", [parameter.gradient, weight])
      let sum = training.addNode("Add", [accumulator, share])
      let newValue = training.addNode("Where", [isFirst, share, sum])
      training.updates.append(ParameterUpdate(parameter: accumulator, newValue: newValue))
      accumulators.append(accumulator)
    }

    var updating = Graph(name: training.name)
    updating.values = training.values
    updating.parameters = training.parameters
    learningRate = updating.addInput(name: "learning_rate", type: TensorType(.float, []))
    updateNumber = updating.addInput(name: "update", type: TensorType(.int64, []))
    let totalWeight = updating.addInput(name: "total_weight", type: TensorType(.float, []))
    means = zip(changed, accumulators).map { parameter, accumulator in
      TrainedParameter(
        id: parameter.id, gradient: updating.addNode("Div", [accumulator, totalWeight]))
    }
    try updating.inferTypes()
    self.updating = updating
    self.isFirst = isFirst
    self.weight = weight
    self.totalWeight = totalWeight
  }
}

/// Groups of consecutive steps whose gradients are averaged; each epoch starts a new group.
package struct AccumulationGroups: Sendable, Hashable {
  /// The number of steps in a group.
  package let stepCount: Int
  /// The number of samples in an epoch and in a full batch; `nil` if there are no epochs, and all
  /// batches are equally large.
  package let epoch: Epoch?

  package struct Epoch: Sendable, Hashable {
    package let sampleCount: Int
    package let batchSize: Int

    var stepCount: Int { (sampleCount + batchSize - 1) / batchSize }
    /// The samples of the last step, as a fraction of a full batch.
    var lastWeight: Float {
      Float(sampleCount - (stepCount - 1) * batchSize) / Float(batchSize)
    }
  }

  /// - Throws: `GraftError` if `stepCount` is less than 1
  package init(of stepCount: Int, sampleCount: Int? = nil, batchSize: Int = 1) throws {
    guard stepCount >= 1 else {
      throw GraftError.usage(
        "gradients cannot be accumulated over \(stepCount) steps", hint: "Use 1 or more")
    }
    self.stepCount = stepCount
    epoch = sampleCount.map { Epoch(sampleCount: $0, batchSize: batchSize) }
  }

  /// A step in its group.
  package struct Position: Sendable {
    package let isFirst: Bool
    package let isLast: Bool
    /// The weight of the step's gradients.
    package let weight: Float
    /// The sum of the weights of the group's steps.
    package let totalWeight: Float
    /// The number of the group, from 1.
    package let group: Int
  }

  /// - Parameter step: from 1
  package func position(ofStep step: Int) -> Position {
    guard let epoch else {
      return Position(
        isFirst: (step - 1).isMultiple(of: stepCount), isLast: step.isMultiple(of: stepCount),
        weight: 1, totalWeight: Float(stepCount), group: (step - 1) / stepCount + 1)
    }
    let (past, index) = (step - 1).quotientAndRemainder(dividingBy: epoch.stepCount)
    let (group, place) = index.quotientAndRemainder(dividingBy: stepCount)
    let groupCount = (epoch.stepCount + stepCount - 1) / stepCount
    let length = min(stepCount, epoch.stepCount - group * stepCount)
    let isLastOfEpoch = index == epoch.stepCount - 1
    return Position(
      isFirst: place == 0, isLast: place == length - 1,
      weight: isLastOfEpoch ? epoch.lastWeight : 1,
      totalWeight: group == groupCount - 1
        ? Float(length - 1) + epoch.lastWeight : Float(length),
      group: past * groupCount + group + 1)
  }
}
