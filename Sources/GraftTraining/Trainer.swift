import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

/// Carries out training steps: one graph holds forward pass, loss, gradients and updates, and a session runs it.
package final class Trainer {
  /// What one step reported.
  package struct StepResult: Sendable {
    /// The mean over the batch; a training step's includes penalties.
    package var loss: Float
    /// `[N, K]`, as the batch was seen in training; valid until the next step.
    package var scores: Tensor
  }

  /// What is to be trained, and how.
  package struct Settings: Sendable {
    package var loss: any Loss
    /// What ``evaluate(inputs:targets:)`` reports; `nil` for ``loss``.
    package var evaluationLoss: (any Loss)?
    package var optimizer: any Optimizer
    /// Penalties on parameters.
    package var penalties: [ValueID: WeightPenalty] = [:]
    /// What the learning rate is multiplied by, for parameters that have one of their own.
    package var learningRateFactors: [ValueID: Float] = [:]
    /// A bound on the gradients that the optimizer gets.
    package var clipping: GradientClipping?
    /// Over which steps gradients are averaged before parameters change.
    package var accumulation = try! AccumulationGroups(of: 1)
    /// Whether the backward pass computes activations again instead of finding them in memory.
    package var recomputes = false
    package var options = Executable.Options()

    package init(loss: any Loss, optimizer: any Optimizer) {
      self.loss = loss
      self.optimizer = optimizer
    }
  }

  private let session: Session
  /// Changes the parameters by the accumulated gradients; `nil` if each step does that itself.
  private let update: Session?
  private let accumulation: AccumulationGroups
  /// The current values of all parameters, those of the optimizer's state among them.
  package let parameters: ParameterStore
  private let evaluation: Session
  private let names: [ValueID: String]
  /// The parameters of the graph, without the optimizer's state.
  private let ownParameters: [ValueID]
  private let classCount: Int
  /// By the number of samples in a step: the last step of an epoch may have fewer.
  private var memory: [Int: StepMemory] = [:]

  /// What goes into a step besides its batch, and what comes out, so that steps allocate nothing.
  private final class StepMemory {
    let rate: Tensor
    let number: Tensor
    let startsGroup: Tensor
    let weight: Tensor
    let results: [Tensor]
    var arguments: [Tensor] = []
    let updateArguments: [Tensor]
    let updateNumber: Tensor
    let totalWeight: Tensor

    init(sampleCount: Int, classCount: Int) throws {
      rate = try Tensor(zeros: .float, shape: [])
      number = try Tensor(zeros: .int64, shape: [])
      results = [
        try Tensor(zeros: .float, shape: []),
        try Tensor(zeros: .float, shape: [sampleCount, classCount]),
      ]
      startsGroup = try Tensor(zeros: .bool, shape: [])
      weight = try Tensor(zeros: .float, shape: [])
      updateNumber = try Tensor(zeros: .int64, shape: [])
      totalWeight = try Tensor(zeros: .float, shape: [])
      updateArguments = [rate, updateNumber, totalWeight]
    }
  }

  /// - Parameters:
  ///   - graph: inputs `[N, …]`, and scores `[N, K]` as its first output; its parameters are
  ///     trained. It is in inference form.
  ///   - seed: of the random numbers that training draws
  /// - Throws: `GraftError` if something on the way to a parameter has no gradient.
  package init(_ graph: Graph, seed: Int = 0, settings: Settings) throws {
    let graphs = try TrainingGraphs(graph, seed: seed, settings: settings)
    classCount = graphs.scoreCount
    accumulation = settings.accumulation
    let executable = try Executable(graphs.complete, options: settings.options)
    parameters = executable.parameters
    if graphs.updating == nil {
      session = Session(executable)
      update = nil
    } else {
      update = Session(executable)
      session = Session(
        try Executable(graphs.step, options: settings.options, parameters: parameters))
    }
    ownParameters = graphs.ownParameters
    evaluation = Session(
      try Executable(graphs.evaluation, options: settings.options, parameters: parameters))
    names = executable.parameterNames
  }

  /// One step: forward, backward, update; with accumulation, only the last step of a group updates.
  ///
  /// - Parameters:
  ///   - inputs: as the graph's inputs have them, `[N, …]`
  ///   - targets: as the loss wants them
  ///   - step: the number of the step, from 1
  /// - Throws: `GraftError` if the loss is no finite number.
  package func step(
    inputs: [Tensor], targets: Tensor, learningRate: Float, step: Int
  ) throws -> StepResult {
    let sampleCount = targets.shape.first ?? 1
    let memory =
      try self.memory[sampleCount]
      ?? StepMemory(sampleCount: sampleCount, classCount: classCount)
    self.memory[sampleCount] = memory
    memory.rate.baseAddress.storeBytes(of: learningRate, as: Float.self)
    memory.number.baseAddress.storeBytes(of: Int64(step), as: Int64.self)
    memory.arguments.removeAll(keepingCapacity: true)
    for input in inputs { memory.arguments.append(input) }
    memory.arguments.append(memory.number)
    memory.arguments.append(targets)
    let position = accumulation.position(ofStep: step)
    if update == nil {
      memory.arguments.append(memory.rate)
    } else {
      memory.startsGroup.baseAddress.storeBytes(of: position.isFirst, as: Bool.self)
      memory.weight.baseAddress.storeBytes(of: position.weight, as: Float.self)
      memory.arguments.append(memory.startsGroup)
      memory.arguments.append(memory.weight)
    }
    try session.run(memory.arguments, into: memory.results)
    let loss = memory.results[0].baseAddress.load(as: Float.self)
    guard loss.isFinite else {
      throw GraftError(
        .badData, "the loss is \(loss) at step \(step)",
        hint: "Use a smaller learning rate, clip gradients, or check the data")
    }
    if let update, position.isLast {
      memory.updateNumber.baseAddress.storeBytes(of: Int64(position.group), as: Int64.self)
      memory.totalWeight.baseAddress.storeBytes(of: position.totalWeight, as: Float.self)
      try update.run(memory.updateArguments, into: [])
    }
    return StepResult(loss: loss, scores: memory.results[1])
  }

  /// Loss, without penalties, and scores in inference form, without a change of anything.
  package func evaluate(inputs: [Tensor], targets: Tensor) throws -> StepResult {
    let outputs = try evaluation.run(inputs + [targets])
    return StepResult(loss: try outputs[0].elements(as: Float.self)[0], scores: outputs[1])
  }

  /// Bytes of what steps that were run kept between the parameters: activations, gradients, scratch memory.
  package var arenaByteCount: Int { session.arenaByteCount }

  /// All parameters, those of the optimizer's state among them; names may be empty or equal.
  var parameterNames: [(id: ValueID, name: String)] {
    names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The values of all parameters, those of the optimizer's state among them, where they lie: the next step changes them.
  var state: [ValueID: Tensor] {
    var values: [ValueID: Tensor] = [:]
    for id in names.keys { values[id] = parameters.tensor(id) }
    return values
  }

  /// Takes over values that ``state`` or ``values()`` gave; their types and shapes are those of the parameters.
  func restore(_ values: [ValueID: Tensor]) {
    for (id, value) in values {
      guard let tensor = parameters.tensor(id) else { continue }
      precondition(tensor.shape == value.shape && tensor.elementType == value.elementType)
      tensor.baseAddress.copyMemory(from: value.baseAddress, byteCount: tensor.byteCount)
    }
  }

  /// The trained values, by the ids that the graph gave them.
  package func values() throws -> [ValueID: Tensor] {
    var values: [ValueID: Tensor] = [:]
    for id in ownParameters { values[id] = try parameters.tensor(id)?.copied() }
    return values
  }
}

/// A parameter, and the gradient that changes it.
struct TrainedParameter {
  let id: ValueID
  let gradient: ValueID
}

extension Trainer.Settings {
  /// Appends what changes parameters: clipping, and the optimizer with each parameter's learning rate.
  func appendUpdates(
    of changed: [TrainedParameter], learningRate: ValueID, step: ValueID, to graph: inout Graph
  ) throws {
    var gradients = changed.map(\.gradient)
    if let clipping { gradients = try clipping.append(to: &graph, gradients: gradients) }
    for (parameter, gradient) in zip(changed, gradients) {
      var rate = learningRate
      if let factor = learningRateFactors[parameter.id], factor != 1 {
        let constant = graph.addConstant(try Tensor(scalar: factor))
        rate = graph.addNode("Mul", [learningRate, constant])
      }
      try optimizer.appendUpdate(
        of: parameter.id, gradient: gradient, learningRate: rate, step: step, to: &graph)
    }
  }
}

extension Graph {
  /// The graph with values that were trained as constants, for inference and export.
  package func replacing(_ values: [ValueID: Tensor]) -> Graph {
    var graph = self
    for (id, tensor) in values {
      graph.parameters[id] = nil
      graph.constants[id] = tensor
    }
    return graph
  }
}
