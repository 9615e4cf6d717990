import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor

/// The graphs of training: for a step, for updates shared by several steps, and for evaluation.
///
/// All have the same parameters, including the optimizer's state.
struct TrainingGraphs {
  /// Forward pass, loss and gradients, and the updates if ``updating`` is `nil`.
  ///
  /// Inputs: those of the graph, the number of the step, targets, and the learning rate. With
  /// accumulation, the rate is replaced by whether the step is the first of its group, and its
  /// weight. Outputs: loss `[]` and scores `[N, K]`.
  private(set) var step: Graph
  /// Inputs: learning rate, number of the group, and the sum of the weights of its steps.
  private(set) var updating: Graph?
  /// Inputs: those of the graph and targets. Outputs: like ``step``.
  private(set) var evaluation: Graph
  /// The parameters of the graph, without the optimizer's state.
  let ownParameters: [ValueID]
  /// K.
  let scoreCount: Int

  /// - Throws: `GraftError` if an operator before a parameter has no gradient
  init(_ graph: Graph, seed: Int, settings: Trainer.Settings) throws {
    let trainingForm = try TrainingForm(graph, seed: seed)
    var training = trainingForm.graph
    try training.inferTypes()
    guard let scores = training.outputs.first else {
      throw GraftError.usage("the graph has no outputs to train on")
    }
    guard let scoreCount = training[scores].type?.tensor?.shape?.last?.known else {
      throw GraftError.badData("the number of scores per image is unknown")
    }
    self.scoreCount = scoreCount
    let targetType = settings.loss.targetType(classCount: scoreCount)
    let trained = trainingForm.trained
    let changed = try settings.appendGradients(
      of: trained, scores: scores, targetType: targetType, to: &training)
    if settings.accumulation.stepCount == 1 {
      let learningRate = training.addInput(name: "learning_rate", type: TensorType(.float, []))
      let gradientsEnd = training.nodes.count
      try settings.appendUpdates(
        of: changed, learningRate: learningRate, step: trainingForm.step, to: &training)
      EarlyUpdates.run(&training, from: gradientsEnd)
    } else {
      let accumulation = try GradientAccumulation(of: changed, in: &training)
      var updating = accumulation.updating
      try settings.appendUpdates(
        of: accumulation.means, learningRate: accumulation.learningRate,
        step: accumulation.updateNumber, to: &updating)
      self.updating = updating
    }
    step = training
    ownParameters = trainingForm.inferenceForm.parameters.keys.sorted()
    evaluation = trainingForm.inferenceForm
    let targets = evaluation.addInput(name: "targets", type: targetType)
    let loss = try (settings.evaluationLoss ?? settings.loss).append(
      to: &evaluation, scores: scores, targets: targets)
    evaluation.outputs = [loss, scores]
  }

  /// The graph with all parameters.
  var complete: Graph { updating ?? step }

  /// The bytes of parameters, and of intermediate values in steps, updates and evaluations of some
  /// samples.
  func byteCount(sampleCount: Int, options: Executable.Options) throws -> Int {
    let arenas = try [step, updating, evaluation].compactMap { $0 }.map { graph in
      try Executable(graph, options: options, parameters: .empty)
        .plannedByteCount(batch: sampleCount)
    }
    return complete.parameters.values.reduce(0) { $0 + $1.byteCount } + arenas.reduce(0, +)
  }
}

extension Trainer.Settings {
  /// Appends loss, penalties and gradients; loss and scores become the graph's outputs.
  fileprivate func appendGradients(
    of trained: [ValueID], scores: ValueID, targetType: TensorType, to graph: inout Graph
  ) throws -> [TrainedParameter] {
    let targets = graph.addInput(name: "targets", type: targetType)
    var loss = try loss.append(to: &graph, scores: scores, targets: targets)
    for id in trained {
      guard let penalty = penalties[id] else { continue }
      loss = try penalty.append(to: &graph, parameter: id, loss: loss)
    }
    graph.outputs = [loss, scores]
    let forwardCount = graph.nodes.count
    let gradients = try GradientPass.append(to: &graph, loss: loss, targets: trained)
    if recomputes { try Recomputation.apply(to: &graph, forwardCount: forwardCount) }
    return trained.compactMap { id in
      gradients[id].map { TrainedParameter(id: id, gradient: $0) }
    }
  }
}
