import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftRuntime
import GraftTensor
import GraftVision

/// Trains a network's head, and the unfrozen part of its trunk, phase by phase.
///
/// Everything depends only on recipe, data and initial weights: the order of each epoch and the
/// random numbers of each step are functions of the seed and the position in the run, so that an
/// interrupted run continues as if it had not been interrupted.
package final class FineTuner {
  package struct Options: Sendable {
    package var executable = Executable.Options()
    /// Whether features of the frozen part are cached.
    package var keepsFeatures = true
    /// The folder for features beyond the memory limit.
    package var featureFolder: String?
    package var featureMemoryLimit = 2 << 30
    /// The memory limit of each phase, and of the end of the run, in bytes.
    package var memoryLimit = max(0, AvailableMemory.byteCount() - Options.reserve)
    /// Whether the backward pass recomputes activations to save memory.
    package var recomputes = false

    /// Free memory left for stacks, lists of images, and libraries.
    private static let reserve = 8 << 20

    package init() {}
  }

  package private(set) var state = RunState()
  package let recipe: Recipe
  private let loss: any Loss
  /// Without class weights, so that results can be compared.
  private let evaluationLoss: any Loss
  /// Whether losses are means of -log of the right class's probability, apart from class weights
  /// and penalties.
  package var hasLogLoss: Bool { evaluationLoss.isLogLoss(scoreCount: images.targets.classCount) }
  package let options: Options
  let images: RunImages
  package weak var delegate: (any FineTunerDelegate)?
  private var network: TrainedNetwork
  private var phase: RunningPhase?
  /// With early stopping, the weights after the best epoch of the current phase.
  private var bestOfPhase: [ValueID: Tensor]?

  package var model: TransferModel { network.model }

  /// The objects of the current phase.
  private struct RunningPhase {
    let trainer: Trainer
    let store: FeatureStore
    /// The number of cached variants of each training image; `nil` if images change in every epoch,
    /// or never.
    let variantCount: Int?
    var schedule: any LearningRateSchedule
  }

  /// - Throws: `GraftError` if recipe, model and data do not match
  package init(
    _ recipe: Recipe, model: TransferModel, data: DatasetSplit, preprocessing: Preprocessing,
    options: Options = Options()
  ) throws {
    try recipe.validate()
    self.recipe = recipe
    network = TrainedNetwork(model)
    var options = options
    if let precision = recipe.precision { options.executable.precision = precision }
    self.options = options
    let augmentation = try recipe.augmentation
    var losses = try recipe.losses(
      classNames: model.classNames, labels: data.training.map(\.label))
    if augmentation?.mixesTargets == true {
      losses = try recipe.using("augment", "loss") {
        try (losses.training.forMixedTargets(), losses.evaluation.forMixedTargets())
      }
    }
    (loss, evaluationLoss) = (losses.training, losses.evaluation)
    images = try RunImages(
      recipe, data, preprocessing, augmentation: augmentation, loss: losses.training,
      targets: ClassificationTargets(
        classCount: model.isBinary ? 1 : model.classNames.count, isBinary: model.isBinary),
      threadCount: options.executable.threadCount)
    for phase in recipe.phases {
      // Reports misspelt names before time is spent.
      try phase.requireWeights(of: model)
      if model.takesOneImage { _ = try cut(phase) }
    }
    _ = try learningRateFactors()
  }

  private var observers: [any TrainingObserver] { delegate?.observers ?? [] }

  /// Whether an observer wants the run to stop; asked after each step, and in evaluations.
  package var isInterrupted: Bool { observers.contains { $0.isInterrupted } }

  private func learningRateFactors() throws -> [ValueID: Float] {
    try recipe.using("learning_rate_factors") {
      try recipe.learningRateFactors.map { try LearningRateFactors($0).factors(of: model) } ?? [:]
    }
  }

  /// Trains to the end of the recipe.
  ///
  /// - Returns: whether training is finished; false if it was interrupted
  @discardableResult
  package func run() throws -> Bool {
    while state.phase < recipe.enteredPhaseCount {
      if phase == nil { try startPhase() }
      guard let phase else { break }
      if !isPhaseDone {
        for observer in observers { try observer.phaseStarted(summary(of: phase)) }
      }
      while !isPhaseDone {
        // The result of the last epoch may have changed the schedule.
        let isWhole = try runEpoch(self.phase ?? phase)
        phase.store.fillArchive()
        guard isWhole else {
          try delegate?.save(checkpoint())
          return false
        }
        state.epoch += 1
        state.startEpoch()
        try keepBest()
        guard !isPhaseDone else { break }
        try delegate?.save(checkpoint())
        if isInterrupted { return false }
      }
      guard try endPhase(phase) else { return false }
    }
    return true
  }

  /// Stores the result of a phase, and tests it.
  ///
  /// - Returns: whether it finished; false if it was interrupted
  private func endPhase(_ phase: RunningPhase) throws -> Bool {
    // With early stopping, the checkpoint determines the best weights, but the last ones continue.
    let last = bestOfPhase == nil ? nil : try phase.trainer.values()
    try restoreBest()
    if !images.test.isEmpty, state.phaseResults.count == state.phase {
      let result = try evaluate(images.test, phase)
      phase.store.fillArchive()
      guard let result else {
        if let last { phase.trainer.restore(last) }
        try delegate?.save(checkpoint())
        return false
      }
      state.phaseResults.append(
        RunState.PhaseResult(
          phase: state.phase + 1, loss: result.loss, accuracy: result.accuracy,
          count: images.test.count))
    }
    let values = try phase.trainer.values()
    network.setWeights(values)
    // The end of the last phase is kept, so that it can be extended.
    let isLast = state.phase == recipe.enteredPhaseCount - 1
    if isLast {
      if let last { phase.trainer.restore(last) }
      try delegate?.save(checkpoint())
    }
    self.phase = nil
    bestOfPhase = nil
    state.phase += 1
    state.epoch = 0
    state.step = 0
    state.schedule = nil
    if !isLast { try delegate?.save(checkpoint()) }
    return true
  }

  /// Whether nothing is left to do.
  package var isFinished: Bool { isFinished(at: state) }

  private func isFinished(at state: RunState) -> Bool {
    let phaseCount = recipe.enteredPhaseCount
    return state.phase >= phaseCount
      || state.phase == phaseCount - 1 && state.isPhaseDone(in: recipe)
        && (images.test.isEmpty || state.phaseResults.count == phaseCount)
  }

  /// The trained and the frozen part in a phase.
  func cut(_ settings: Recipe.Phase) throws -> TrainableCut {
    let cut = try TrainableCut(
      model.graph(training: settings.selection.weights(of: model))
    ) { $0.metadata[TrainingForm.headMark] != nil }
    guard model.takesOneImage else { return cut }
    do {
      return try cut.withFreeTrainableBatch()
    } catch let error as GraftError {
      throw GraftError.unsupported(
        "the network takes one image at a time, but its trained part must take several: "
          + error.message, hint: "Freeze more of it, or export it with a variable batch size")
    }
  }

  func trainerSettings(_ settings: Recipe.Phase) throws -> Trainer.Settings {
    var training = Trainer.Settings(
      loss: loss, optimizer: try Optimizers.named(settings.optimizer))
    training.evaluationLoss = evaluationLoss
    training.clipping = try recipe.gradientClipping.map { try GradientClipping.named($0) }
    training.accumulation = try AccumulationGroups(
      of: recipe.accumulationSteps, sampleCount: images.trainingCount, batchSize: recipe.batchSize)
    training.learningRateFactors = try learningRateFactors()
    training.penalties = model.penalties(imageCount: images.trainingCount)
    training.recomputes = options.recomputes
    training.options = options.executable
    return training
  }

  private func startPhase() throws {
    let settings = recipe.phases[state.phase]
    let selected = try settings.selection.weights(of: model)
    network.willTrain(selected)
    let cut = try cut(settings)
    // Without a frozen part, nothing is saved by repeating variants.
    let variantCount = cut.frozen.nodes.isEmpty ? nil : recipe.cachedAugmentations
    let store = try featureStore(cut, variantCount: variantCount)
    let statistics = state.phase == 0 && state.step == 0 ? try adaptNormalization(store, cut) : [:]
    var schedule = try Schedules.named(settings.schedule)
    if let memory = state.schedule { schedule.memory = memory }
    phase = RunningPhase(
      trainer: try Trainer(
        cut.trainable.replacing(statistics),
        seed: Int(truncatingIfNeeded: images.seed(1, phase: state.phase)),
        settings: trainerSettings(settings)),
      store: store, variantCount: variantCount, schedule: schedule)
  }

  private func featureStore(_ cut: TrainableCut, variantCount: Int?) throws -> FeatureStore {
    try FeatureStore(
      cut, images.inputs, batchSize: model.takesOneImage ? 1 : recipe.batchSize,
      keepsFeatures: options.keepsFeatures,
      changingCount: images.augmentation == nil ? 0 : images.trainingCount,
      variantCount: variantCount ?? 0,
      folder: options.featureFolder, memoryLimit: options.featureMemoryLimit,
      options: options.executable, augmentation: recipe.augment
    ) { try delegate?.archive(for: $0) }
  }

  /// Adapts the head's normalization to the unchanged training images, or to a sample of many.
  private func adaptNormalization(
    _ store: FeatureStore, _ cut: TrainableCut
  ) throws -> [ValueID: Tensor] {
    guard let normalization = model.normalization else { return [:] }
    var store = store
    if cut.frozen.nodes.isEmpty || cut.frozen.outputs != [normalization.features] {
      let head = try TrainableCut(model.graph(training: Set(model.headWeights))) {
        $0.metadata[TrainingForm.headMark] != nil
      }
      store = try featureStore(head, variantCount: nil)
    }
    var generator = SeededGenerator(seed: recipe.seed)
    let numbers = generator.permutation(images.trainingCount).prefix(
      FeatureNormalization.sampleLimit)
    let statistics = try normalization.statistics(of: images.batches(of: Array(numbers))) {
      try store.features(of: $0)[0]
    }
    network.adapt(statistics)
    return statistics
  }

  /// Returns false if the run was interrupted.
  private func runEpoch(_ phase: RunningPhase) throws -> Bool {
    let settings = recipe.phases[state.phase]
    let batches = images.batches(ofEpoch: state.epoch, phase: state.phase)
    let stepCount = batches.count
    func rate(_ step: Int) -> Double {
      settings.learningRate
        * phase.schedule.factor(
          step: step, stepsPerEpoch: stepCount, stepCount: stepCount * settings.epochs)
    }
    var clock = ContinuousClock.now
    while state.batch < stepCount {
      let numbers = batches[state.batch]
      let (labels, tensor) = try images.targets(of: numbers, in: augmentationRound)
      let result = try phase.trainer.step(
        inputs: try phase.store.features(of: numbers, augmentedIn: augmentationRound),
        targets: tensor, learningRate: Float(rate(state.step)), step: state.step + 1)
      state.batch += 1
      state.step += 1
      state.lossSum += Double(result.loss) * Double(numbers.count)
      state.correctCount += zip(try images.targets.predictions(result.scores), labels).count {
        $0 == $1
      }
      state.imageCount += numbers.count
      let now = ContinuousClock.now
      state.seconds += (now - clock) / .seconds(1)
      clock = now
      let progress = progress(stepCount, stepLoss: Double(result.loss))
      for observer in observers { try observer.stepEnded(progress) }
      if isInterrupted { return false }
    }
    var record = EpochRecord(
      phase: state.phase + 1, epoch: state.epoch + 1,
      loss: state.lossSum / Double(state.imageCount),
      accuracy: Double(state.correctCount) / Double(state.imageCount),
      learningRate: rate(state.step - 1), seconds: state.seconds,
      imagesPerSecond: Double(state.imageCount) / max(state.seconds, 1e-9))
    if !images.validation.isEmpty {
      guard let result = try evaluate(images.validation, phase) else { return false }
      record.validationLoss = result.loss
      record.validationAccuracy = result.accuracy
    }
    guard record.watchedLoss.isFinite else {
      throw GraftError(
        .badData, "the validation loss is \(record.watchedLoss) after epoch \(record.epoch)",
        hint: "Use a smaller learning rate, clip gradients, or check the data")
    }
    let progress = progress(stepCount, stepLoss: record.loss)
    state.history.append(record)
    self.phase?.schedule.epochEnded(loss: record.watchedLoss)
    state.schedule = self.phase?.schedule.memory
    for observer in observers { try observer.epochEnded(record, progress: progress) }
    return true
  }

  private func progress(_ stepCount: Int, stepLoss: Double) -> StepProgress {
    StepProgress(
      phase: state.phase + 1, epoch: state.epoch + 1,
      epochCount: recipe.phases[state.phase].epochs, step: state.batch, stepCount: stepCount,
      totalStep: state.history.count * stepCount + state.batch, stepLoss: stepLoss,
      loss: state.lossSum / Double(max(1, state.imageCount)),
      accuracy: Double(state.correctCount) / Double(max(1, state.imageCount)),
      imagesPerSecond: Double(state.imageCount) / max(state.seconds, 1e-9))
  }

  private func summary(of phase: RunningPhase) throws -> PhaseSummary {
    let settings = recipe.phases[state.phase]
    let selected = try settings.selection.weights(of: model)
    let weights = model.weights
    func count(_ ids: some Sequence<ValueID>) -> Int {
      ids.reduce(0) { $0 + (model.graph.constants[$1]?.elementCount ?? 0) }
    }
    return PhaseSummary(
      number: state.phase + 1, phaseCount: recipe.enteredPhaseCount, recipe: settings,
      trainedWeightCount: count(selected), weightCount: count(weights),
      trainedLayerNames: weights.filter(selected.contains).map { model.graph[$0].name },
      featureBytes: phase.store.bytesOfImage, keepsFeatures: phase.store.keepsFeatures,
      features: phase.store.archived(
        rounds: (0..<(phase.variantCount ?? 0)).map { variant in
          AugmentationRound(
            seed: recipe.seed, phase: state.phase, epoch: variant, variantCount: phase.variantCount)
        }),
      variantCount: phase.variantCount)
  }

  /// Returns `nil` if the run was interrupted.
  private func evaluate(
    _ range: Range<Int>, _ phase: RunningPhase
  ) throws -> (loss: Double, accuracy: Double)? {
    var (loss, correct) = (0.0, 0)
    for numbers in images.batches(of: Array(range)) {
      if isInterrupted { return nil }
      let (labels, tensor) = try images.targets(of: numbers, in: nil)
      let result = try phase.trainer.evaluate(
        inputs: try phase.store.features(of: numbers), targets: tensor)
      loss += Double(result.loss) * Double(numbers.count)
      correct += zip(try images.targets.predictions(result.scores), labels).count { $0 == $1 }
    }
    return (loss / Double(range.count), Double(correct) / Double(range.count))
  }

  /// This epoch's source of random changes.
  private var augmentationRound: AugmentationRound? {
    images.round(
      ofEpoch: state.epoch, phase: state.phase, variantCount: phase?.variantCount)
  }

  // MARK: The best epoch

  /// Whether the current phase is finished, possibly early.
  private var isPhaseDone: Bool { state.isPhaseDone(in: recipe) }

  /// Saves the weights if no earlier epoch was better.
  private func keepBest() throws {
    if recipe.earlyStopping != nil, state.recordsOfPhase.epochsWithoutBetter == 0 {
      bestOfPhase = try phase?.trainer.values()
    }
    if state.history.bestIndex == state.history.count - 1 { try delegate?.saveBest(checkpoint()) }
  }

  /// With early stopping, a phase ends with the weights of its best epoch.
  private func restoreBest() throws {
    let records = state.recordsOfPhase
    guard recipe.earlyStopping != nil, let bestOfPhase, let best = records.bestIndex else { return }
    phase?.trainer.restore(bestOfPhase)
    for observer in observers {
      try observer.restoredBest(
        records[best], isEarly: records.count < recipe.phases[state.phase].epochs)
    }
  }

  // MARK: The range of learning rates

  /// Trains the first phase with a learning rate that increases with each step, until the loss
  /// diverges.
  ///
  /// The weights are useless afterwards: use this instead of ``run()``.
  ///
  /// - Returns: `nil` if it was interrupted
  package func findLearningRate() throws -> LearningRateRange? {
    try startPhase()
    guard let phase else { throw GraftError(.software, "the recipe has no phase") }
    for observer in observers { try observer.phaseStarted(summary(of: phase)) }
    var range = LearningRateRange()
    defer { phase.store.fillArchive() }
    while range.points.count < LearningRateRange.stepCount, !range.hasDiverged {
      for numbers in images.batches(ofEpoch: state.epoch, phase: state.phase) {
        let rate = LearningRateRange.rate(ofStep: range.points.count)
        guard
          let loss = try loss(of: numbers, phase, rate: rate, step: range.points.count + 1)
        else { return range }
        range.add(loss: loss)
        if isInterrupted { return nil }
        if range.points.count == LearningRateRange.stepCount || range.hasDiverged { break }
      }
      state.epoch += 1
    }
    return range
  }

  /// The loss of one step; `nil` if it is not finite, which ends the test.
  private func loss(
    of numbers: [Int], _ phase: RunningPhase, rate: Double, step: Int
  ) throws -> Double? {
    let inputs = try phase.store.features(of: numbers, augmentedIn: augmentationRound)
    let targets = try images.targets(of: numbers, in: augmentationRound).tensor
    do {
      return Double(
        try phase.trainer.step(
          inputs: inputs, targets: targets, learningRate: Float(rate), step: step
        ).loss)
    } catch let error as GraftError where error.code == .badData {
      return nil
    }
  }

  // MARK: Checkpoints

  /// Continues from a checkpoint. The recipe may change the number of epochs of the checkpoint's
  /// current phase, and add phases.
  ///
  /// - Throws: `GraftError` if the checkpoint belongs to another recipe, other data or other
  ///   weights, or is damaged
  package func resume(_ checkpoint: Checkpoint) throws {
    try validate(checkpoint)
    state = checkpoint.state
    let values = checkpoint.valuesByName
    var keys = CheckpointKeys(model.graph)
    try network.restore(checkpoint, trainedIn: phases(before: state))
    guard state.phase < recipe.enteredPhaseCount else { return }
    // A phase that continues has no result yet.
    if !isPhaseDone { state.phaseResults = Array(state.phaseResults.prefix(state.phase)) }
    try startPhase()
    // Between phases, optimizers have no state.
    guard state.step > 0, let trainer = phase?.trainer else { return }
    let parameters = trainer.parameterNames
    keys.add(parameters)
    var state: [ValueID: Tensor] = [:]
    for (id, _) in parameters {
      guard let parameter = trainer.parameters.tensor(id) else { continue }
      state[id] = try values.tensor(keys[id], like: parameter)
    }
    trainer.restore(state)
    guard recipe.earlyStopping != nil, self.state.epoch > 0 else { return }
    bestOfPhase = try trainer.values().reduce(into: [:]) { best, entry in
      let key = CheckpointKeys.bestPrefix + keys[entry.key]
      best[entry.key] = try values.tensor(key, like: entry.value)
    }
  }

  /// Whether a run that continues from there has nothing left to train.
  ///
  /// - Throws: `GraftError` like ``resume(_:)``, except for damaged weights
  package func isFinished(at checkpoint: Checkpoint) throws -> Bool {
    try validate(checkpoint)
    return isFinished(at: checkpoint.state)
  }

  private func validate(_ checkpoint: Checkpoint) throws {
    try checkpoint.recipe.validate()
    try checkpoint.requireContinuation(in: recipe)
    try checkpoint.state.validate(for: checkpoint.recipe, images.counts)
  }

  /// The phases that have changed weights at a position in the run.
  private func phases(before state: RunState) -> ArraySlice<Recipe.Phase> {
    // Before its first step a phase has changed nothing.
    recipe.phases.prefix(state.phase + (state.step > 0 ? 1 : 0))
  }

  /// The names of the network's weights in checkpoints; everything else is only for resuming.
  package var weightNames: Set<ByteString> {
    let keys = CheckpointKeys(model.graph)
    return Set(model.graph.constants.keys.map { ByteString(keys[$0]) })
  }

  /// The model of a checkpoint of this run, which only needs the weights; call it after ``run()``
  /// has finished.
  ///
  /// - Throws: `GraftError` if the checkpoint is of another run, or damaged
  package func model(of checkpoint: Checkpoint) throws -> TransferModel {
    let records = checkpoint.state.history
    guard records.count <= state.history.count, records.agrees(with: state.history) else {
      throw GraftError.badData("is a checkpoint of another run")
    }
    return try network.model(of: checkpoint, trainedIn: phases(before: checkpoint.state))
  }

  /// Everything needed to continue the run; valid until the next step, which overwrites the
  /// weights.
  private func checkpoint() throws -> Checkpoint {
    var keys = CheckpointKeys(model.graph)
    var tensors: [ValueID: Tensor] = [:]
    for id in network.changed { tensors[id] = model.graph.constants[id] }
    if let trainer = phase?.trainer {
      keys.add(trainer.parameterNames)
      tensors.merge(trainer.state) { _, trained in trained }
    }
    var values = tensors.sorted { $0.key < $1.key }.map { (name: keys[$0.key], tensor: $0.value) }
    values += (bestOfPhase ?? [:]).sorted { $0.key < $1.key }.map {
      (name: CheckpointKeys.bestPrefix + keys[$0.key], tensor: $0.value)
    }
    return Checkpoint(state: state, recipe: recipe, values: values)
  }
}
