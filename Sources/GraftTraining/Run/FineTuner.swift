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

  package internal(set) var model: TransferModel
  package internal(set) var state = RunState()
  package let recipe: Recipe
  let loss: any Loss
  /// Without class weights, so that results can be compared.
  private let evaluationLoss: any Loss
  /// Whether losses are means of -log of the right class's probability, apart from class weights
  /// and penalties.
  package var hasLogLoss: Bool { evaluationLoss.isLogLoss(scoreCount: targets.classCount) }
  let targets: ClassificationTargets
  package let options: Options
  let batches: ImageBatches
  private let trainingCount: Int
  let augmentation: AugmentationPipeline?
  private let validationRange: Range<Int>
  private let testRange: Range<Int>
  package weak var delegate: (any FineTunerDelegate)?
  /// The weights that training has changed so far.
  var changed: Set<ValueID> = []
  /// The original values of weights that a finished phase changed.
  var original: [ValueID: Tensor] = [:]
  var phase: RunningPhase?
  /// With early stopping, the weights after the best epoch of the current phase.
  var bestOfPhase: [ValueID: Tensor]?

  /// The objects of the current phase.
  struct RunningPhase {
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
    self.model = model
    var options = options
    if let precision = recipe.precision { options.executable.precision = precision }
    self.options = options
    targets = ClassificationTargets(
      classCount: model.isBinary ? 1 : model.classNames.count, isBinary: model.isBinary)
    augmentation = try recipe.augmentation
    var losses = try recipe.losses(
      classNames: model.classNames, labels: data.training.map(\.label))
    if augmentation?.mixesTargets == true {
      losses.training = try losses.training.forMixedTargets()
      losses.evaluation = try losses.evaluation.forMixedTargets()
    }
    (loss, evaluationLoss) = (losses.training, losses.evaluation)
    guard !data.training.isEmpty else {
      throw GraftError.usage("there are no training images", hint: "Change --split")
    }
    guard recipe.batchSize <= data.training.count else {
      throw GraftError.usage(
        "batch_size \(recipe.batchSize) is more than the \(data.training.count) training images",
        hint: "Use --batch-size \(data.training.count) or less")
    }
    trainingCount = data.training.count
    validationRange = trainingCount..<trainingCount + data.validation.count
    testRange = validationRange.upperBound..<validationRange.upperBound + data.test.count
    batches = try ImageBatches(
      data.training + data.validation + data.test, preprocessing,
      threadCount: options.executable.threadCount, trainingCount: trainingCount,
      augmentation: augmentation)
    for phase in recipe.phases {
      // Reports misspelt names before time is spent.
      _ = try phase.selection.weights(of: model)
      if model.takesOneImage { _ = try cut(phase) }
    }
    _ = try learningRateFactors()
  }

  var observers: [any TrainingObserver] { delegate?.observers ?? [] }

  /// Whether an observer wants the run to stop; asked after each step, and in evaluations.
  package var isInterrupted: Bool { observers.contains { $0.isInterrupted } }

  private func learningRateFactors() throws -> [ValueID: Float] {
    try recipe.learningRateFactors.map { try LearningRateFactors($0).factors(of: model) } ?? [:]
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
    try takeBest()
    if !testRange.isEmpty, state.phaseResults.count == state.phase {
      let result = try evaluate(testRange, phase)
      phase.store.fillArchive()
      guard let result else {
        if let last { phase.trainer.restore(last) }
        try delegate?.save(checkpoint())
        return false
      }
      state.phaseResults.append(
        RunState.PhaseResult(
          phase: state.phase + 1, loss: result.loss, accuracy: result.accuracy,
          count: testRange.count))
    }
    let values = try phase.trainer.values()
    for id in values.keys where original[id] == nil { original[id] = model.graph.constants[id] }
    model.setWeights(values)
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

  func isFinished(at state: RunState) -> Bool {
    let phaseCount = recipe.enteredPhaseCount
    return state.phase >= phaseCount
      || state.phase == phaseCount - 1 && state.isPhaseDone(in: recipe)
        && (testRange.isEmpty || state.phaseResults.count == phaseCount)
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
      of: recipe.accumulationSteps, sampleCount: trainingCount, batchSize: recipe.batchSize)
    training.learningRateFactors = try learningRateFactors()
    training.penalties = model.penalties(imageCount: trainingCount)
    training.recomputes = options.recomputes
    training.options = options.executable
    return training
  }

  func startPhase() throws {
    let settings = recipe.phases[state.phase]
    let selected = try settings.selection.weights(of: model)
    changed.formUnion(model.changing(training: selected))
    let cut = try cut(settings)
    // Without a frozen part, nothing is saved by repeating variants.
    let variantCount = cut.frozen.nodes.isEmpty ? nil : recipe.cachedAugmentations
    let store = try featureStore(cut, variantCount: variantCount)
    let statistics = state.phase == 0 && state.step == 0 ? try adaptNormalization(store, cut) : [:]
    var schedule = try Schedules.named(settings.schedule)
    if let memory = state.schedule { schedule.memory = memory }
    phase = RunningPhase(
      trainer: try Trainer(
        cut.trainable.replacing(statistics), seed: Int(truncatingIfNeeded: positionSeed(1)),
        settings: trainerSettings(settings)),
      store: store, variantCount: variantCount, schedule: schedule)
  }

  private func featureStore(_ cut: TrainableCut, variantCount: Int?) throws -> FeatureStore {
    try FeatureStore(
      cut, batches, batchSize: model.takesOneImage ? 1 : recipe.batchSize,
      keepsFeatures: options.keepsFeatures,
      changingCount: augmentation == nil ? 0 : trainingCount, variantCount: variantCount ?? 0,
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
    let numbers = generator.permutation(trainingCount).prefix(FeatureNormalization.sampleLimit)
    let statistics = try normalization.statistics(of: batches(Array(numbers))) {
      try store.features(of: $0)[0]
    }
    model.setWeights(statistics)
    return statistics
  }

  /// Returns false if the run was interrupted.
  private func runEpoch(_ phase: RunningPhase) throws -> Bool {
    let settings = recipe.phases[state.phase]
    let batchesOfEpoch = batchesOfEpoch()
    let stepCount = batchesOfEpoch.count
    func rate(_ step: Int) -> Double {
      settings.learningRate
        * phase.schedule.factor(
          step: step, stepsPerEpoch: stepCount, stepCount: stepCount * settings.epochs)
    }
    var clock = ContinuousClock.now
    while state.batch < stepCount {
      let numbers = batchesOfEpoch[state.batch]
      let (labels, tensor) = try trainingTargets(numbers)
      let result = try phase.trainer.step(
        inputs: try phase.store.features(of: numbers, augmentedIn: augmentationRound),
        targets: tensor, learningRate: Float(rate(state.step)), step: state.step + 1)
      state.batch += 1
      state.step += 1
      state.lossSum += Double(result.loss) * Double(numbers.count)
      state.correctCount += zip(try targets.predictions(result.scores), labels).count { $0 == $1 }
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
    if !validationRange.isEmpty {
      guard let result = try evaluate(validationRange, phase) else { return false }
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

  /// The images of each step of the current epoch.
  func batchesOfEpoch() -> [[Int]] {
    var order = Array(0..<trainingCount)
    if recipe.shuffle {
      var generator = SeededGenerator(seed: positionSeed(0))
      order = generator.permutation(order.count)
    }
    return batches(order)
  }

  private func batches(_ numbers: [Int]) -> [[Int]] {
    stride(from: 0, to: numbers.count, by: recipe.batchSize).map {
      Array(numbers[$0..<min($0 + recipe.batchSize, numbers.count)])
    }
  }

  var imageCounts: RunState.ImageCounts {
    RunState.ImageCounts(
      training: trainingCount, validation: validationRange.count, test: testRange.count)
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

  /// A seed for one purpose at this position in the run.
  func positionSeed(_ purpose: Int) -> UInt64 {
    CounterRandom(
      seed: Int(truncatingIfNeeded: recipe.seed), stream: purpose, step: state.phase
    ).bits(at: purpose == 0 ? state.epoch : 0)
  }

  func summary(of phase: RunningPhase) throws -> PhaseSummary {
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
    for start in stride(from: range.lowerBound, to: range.upperBound, by: recipe.batchSize) {
      if isInterrupted { return nil }
      let numbers = Array(start..<min(start + recipe.batchSize, range.upperBound))
      let labels = numbers.map { batches.items[$0].label }
      let result = try phase.trainer.evaluate(
        inputs: try phase.store.features(of: numbers),
        targets: try targets.tensor(labels, for: self.loss))
      loss += Double(result.loss) * Double(numbers.count)
      correct += zip(try targets.predictions(result.scores), labels).count { $0 == $1 }
    }
    return (loss / Double(range.count), Double(correct) / Double(range.count))
  }
}
