import GraftExecution
import GraftFiles
import GraftGraph
import GraftRuntime
import GraftTensor

/// Executes training steps: one graph computes forward pass, loss, gradients and updates.
package final class Trainer {
  /// The results of one step.
  package struct StepResult: Sendable {
    /// The mean over the batch; in training steps it includes penalties.
    package var loss: Float
    /// `[N, K]`, in training form; valid until the next step.
    package var scores: Tensor
  }

  /// What to train, and how.
  package struct Settings: Sendable {
    package var loss: any Loss
    /// The loss that ``evaluate(inputs:targets:)`` reports; `nil` for ``loss``.
    package var evaluationLoss: (any Loss)?
    package var optimizer: any Optimizer
    /// Penalties on parameters.
    package var penalties: [ValueID: WeightPenalty] = [:]
    /// Factors of the learning rate, for parameters that have one.
    package var learningRateFactors: [ValueID: Float] = [:]
    /// A limit for gradients before the optimizer.
    package var clipping: GradientClipping?
    /// The groups of steps whose gradients are averaged for one update.
    package var accumulation = try! AccumulationGroups(of: 1)
    /// Whether the backward pass recomputes activations to save memory.
    package var recomputes = false
    package var options = Executable.Options()

    package init(loss: any Loss, optimizer: any Optimizer) {
      self.loss = loss
      self.optimizer = optimizer
    }
  }

  private let session: Session
  /// Updates the parameters by the accumulated gradients; `nil` if each step does so itself.
  private let update: Session?
  private let accumulation: AccumulationGroups
  /// The current values of all parameters, including the optimizer's state.
  package let parameters: ParameterStore
  private let evaluation: Session
  private let names: [ValueID: String]
  /// The parameters of the graph, without the optimizer's state.
  private let ownParameters: [ValueID]
  private let classCount: Int
  /// By the number of samples in a step: the last step of an epoch may have fewer.
  private var buffers: [Int: StepBuffers] = [:]

  /// A step's inputs besides its batch, and its outputs, so that steps allocate nothing.
  private final class StepBuffers {
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
  ///   - graph: inputs `[N, …]`, and scores `[N, K]` as its first output, in inference form; its
  ///     parameters are trained
  ///   - seed: of the random numbers in training
  /// - Throws: `GraftError` if an operator before a parameter has no gradient
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
  ///   - inputs: the graph's inputs, `[N, …]`
  ///   - targets: of the loss's type
  ///   - step: the number of the step, from 1
  /// - Throws: `GraftError` if the loss is not finite
  package func step(
    inputs: [Tensor], targets: Tensor, learningRate: Float, step: Int
  ) throws -> StepResult {
    let sampleCount = targets.shape.first ?? 1
    let buffers =
      try self.buffers[sampleCount]
      ?? StepBuffers(sampleCount: sampleCount, classCount: classCount)
    self.buffers[sampleCount] = buffers
    buffers.rate.baseAddress.storeBytes(of: learningRate, as: Float.self)
    buffers.number.baseAddress.storeBytes(of: Int64(step), as: Int64.self)
    buffers.arguments.removeAll(keepingCapacity: true)
    for input in inputs { buffers.arguments.append(input) }
    buffers.arguments.append(buffers.number)
    buffers.arguments.append(targets)
    let position = accumulation.position(ofStep: step)
    if update == nil {
      buffers.arguments.append(buffers.rate)
    } else {
      buffers.startsGroup.baseAddress.storeBytes(of: position.isFirst, as: Bool.self)
      buffers.weight.baseAddress.storeBytes(of: position.weight, as: Float.self)
      buffers.arguments.append(buffers.startsGroup)
      buffers.arguments.append(buffers.weight)
    }
    try session.run(buffers.arguments, into: buffers.results)
    let loss = buffers.results[0].baseAddress.load(as: Float.self)
    guard loss.isFinite else {
      throw GraftError(
        .badData, "the loss is \(loss) at step \(step)",
        hint: "Use a smaller learning rate, clip gradients, or check the data")
    }
    if let update, position.isLast {
      buffers.updateNumber.baseAddress.storeBytes(of: Int64(position.group), as: Int64.self)
      buffers.totalWeight.baseAddress.storeBytes(of: position.totalWeight, as: Float.self)
      try update.run(buffers.updateArguments, into: [])
    }
    return StepResult(loss: loss, scores: buffers.results[1])
  }

  /// The loss without penalties, and the scores, in inference form; changes nothing.
  package func evaluate(inputs: [Tensor], targets: Tensor) throws -> StepResult {
    let outputs = try evaluation.run(inputs + [targets])
    return StepResult(loss: try outputs[0].elements(as: Float.self)[0], scores: outputs[1])
  }

  /// The bytes of steps' intermediate memory: activations, gradients and scratch.
  package var arenaByteCount: Int { session.arenaByteCount }

  /// All parameters, including the optimizer's state; names may be empty or equal.
  var parameterNames: [(id: ValueID, name: String)] {
    names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The current values of all parameters, including the optimizer's state, without a copy: the
  /// next step changes them.
  var state: [ValueID: Tensor] {
    var values: [ValueID: Tensor] = [:]
    for id in names.keys { values[id] = parameters.tensor(id) }
    return values
  }

  /// Restores values of ``state`` or ``values()``, which have the parameters' types and shapes.
  func restore(_ values: [ValueID: Tensor]) {
    for (id, value) in values {
      guard let tensor = parameters.tensor(id) else { continue }
      precondition(tensor.shape == value.shape && tensor.elementType == value.elementType)
      tensor.baseAddress.copyMemory(from: value.baseAddress, byteCount: tensor.byteCount)
    }
  }

  /// The trained values, by their IDs in the graph.
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
  /// Appends the updates of parameters: clipping, and the optimizer with each parameter's learning
  /// rate.
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
  /// The graph with trained values as constants, for inference and export.
  package func replacing(_ values: [ValueID: Tensor]) -> Graph {
    var graph = self
    for (id, tensor) in values {
      graph.parameters[id] = nil
      graph.constants[id] = tensor
    }
    return graph
  }
}
