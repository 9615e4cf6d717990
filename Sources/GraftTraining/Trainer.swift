import GraftRuntime

/// Carries out training steps: one graph holds forward pass, loss, gradients and updates, and a session runs it.
package final class Trainer {
  /// What one step reported.
  package struct StepResult: Sendable {
    /// The mean over the batch, penalties included.
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
    /// Over how many steps gradients are averaged before parameters change.
    package var accumulationSteps = 1
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
  private let accumulationSteps: Int
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
    let results: [Tensor]
    var arguments: [Tensor] = []
    let updateArguments: [Tensor]
    let updateNumber: Tensor

    init(sampleCount: Int, classCount: Int) throws {
      rate = try Tensor(zeros: .float, shape: [])
      number = try Tensor(zeros: .int64, shape: [])
      results = [
        try Tensor(zeros: .float, shape: []),
        try Tensor(zeros: .float, shape: [sampleCount, classCount]),
      ]
      updateNumber = try Tensor(zeros: .int64, shape: [])
      updateArguments = [rate, updateNumber]
    }
  }

  /// - Parameters:
  ///   - graph: inputs `[N, …]`, and scores `[N, K]` as its first output; its parameters are
  ///     trained. It is in inference form.
  ///   - seed: of the random numbers that training draws
  /// - Throws: `GraftError` if something on the way to a parameter has no gradient.
  package init(_ graph: Graph, seed: Int = 0, settings: Settings) throws {
    let trainingForm = try TrainingForm(graph, seed: seed)
    var training = trainingForm.graph
    try training.inferTypes()
    guard let scores = training.outputs.first else {
      throw GraftError.usage("the graph has no outputs to train on")
    }
    let classCount = training[scores].type?.tensor?.shape?.last?.known
    guard let classCount else {
      throw GraftError.badData("the number of scores of a picture is not known")
    }
    self.classCount = classCount
    let targets = training.addInput(
      name: "targets", type: settings.loss.targetType(classCount: classCount))
    var loss = try settings.loss.append(to: &training, scores: scores, targets: targets)
    let trained = trainingForm.trained
    for id in trained {
      guard let penalty = settings.penalties[id] else { continue }
      loss = try penalty.append(to: &training, parameter: id, loss: loss)
    }
    training.outputs = [loss, scores]
    let forwardCount = training.nodes.count
    let gradients = try GradientPass.append(to: &training, loss: loss, targets: trained)
    if settings.recomputes {
      try Recomputation.apply(to: &training, forwardCount: forwardCount)
    }
    let changed = trained.compactMap { id in
      gradients[id].map { TrainedParameter(id: id, gradient: $0) }
    }
    accumulationSteps = settings.accumulationSteps
    // The executable that has all parameters.
    let executable: Executable
    if accumulationSteps == 1 {
      let learningRate = training.addInput(name: "learning_rate", type: TensorType(.float, []))
      let gradientsEnd = training.nodes.count
      try settings.appendUpdates(
        of: changed, learningRate: learningRate, step: trainingForm.step, to: &training)
      EarlyUpdates.run(&training, from: gradientsEnd)
      executable = try Executable(training, options: settings.options)
      parameters = executable.parameters
      session = Session(executable)
      update = nil
    } else {
      let accumulation = try GradientAccumulation(
        of: changed, over: accumulationSteps, step: trainingForm.step, in: &training)
      var updating = accumulation.updating
      try settings.appendUpdates(
        of: accumulation.means, learningRate: accumulation.learningRate,
        step: accumulation.updateNumber, to: &updating)
      executable = try Executable(updating, options: settings.options)
      parameters = executable.parameters
      update = Session(executable)
      session = Session(
        try Executable(training, options: settings.options, parameters: parameters))
    }
    ownParameters = trainingForm.inferenceForm.parameters.keys.sorted()
    var inference = trainingForm.inferenceForm
    let evaluationTargets = inference.addInput(
      name: "targets", type: settings.loss.targetType(classCount: classCount))
    var evaluationLoss = try (settings.evaluationLoss ?? settings.loss).append(
      to: &inference, scores: scores, targets: evaluationTargets)
    for id in trained {
      guard let penalty = settings.penalties[id] else { continue }
      evaluationLoss = try penalty.append(to: &inference, parameter: id, loss: evaluationLoss)
    }
    inference.outputs = [evaluationLoss, scores]
    evaluation = Session(
      try Executable(inference, options: settings.options, parameters: parameters))
    names = executable.parameterNames
  }

  /// One step: forward, backward, update; with accumulation, updates only where `step` is a multiple of its steps.
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
    if update == nil { memory.arguments.append(memory.rate) }
    try session.run(memory.arguments, into: memory.results)
    let loss = memory.results[0].baseAddress.load(as: Float.self)
    guard loss.isFinite else {
      throw GraftError(
        .badData, "the loss is \(loss) at step \(step)",
        hint: "Use a smaller learning rate, clip gradients, or check the data")
    }
    if let update, step.isMultiple(of: accumulationSteps) {
      memory.updateNumber.baseAddress.storeBytes(
        of: Int64(step / accumulationSteps), as: Int64.self)
      try update.run(memory.updateArguments, into: [])
    }
    return StepResult(loss: loss, scores: memory.results[1])
  }

  /// Loss and scores in inference form, without a change of anything.
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
  fileprivate func appendUpdates(
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
