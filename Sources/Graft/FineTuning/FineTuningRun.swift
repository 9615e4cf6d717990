import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftONNX
import GraftRuntime
import GraftTraining
import GraftVision

/// A fine-tuning run in a folder: recipe, log, checkpoint, and finally the model.
package final class FineTuningRun: FineTunerDelegate {
  package struct Options: Sendable {
    package var fineTuner = FineTuner.Options()
    /// Where features of images are kept for later runs; `nil` for nowhere.
    package var featureCache: FeatureCache?
    /// Whether to continue the run in the folder.
    package var resumes = false
    /// Whether to try the usual ways of preprocessing on a few images if it had to be assumed.
    package var triesPreparation = true

    package init() {}
  }

  package let folder: RunFolder
  /// The recipe; a resumed run keeps its form of export unless this recipe sets one.
  package let recipe: Recipe
  package let fineTuner: FineTuner
  package let preprocessing: Preprocessing
  package let data: DatasetSplit
  package internal(set) var observers: [any TrainingObserver]
  private let featureCache: FeatureCache?
  private let splitDigest: String
  private let networkDigest: String
  private var log: RunLog?
  /// The epoch whose weights are in ``modelPath`` once ``run()`` has written it; `nil` if nothing
  /// was trained.
  package private(set) var exportedEpoch: EpochRecord?
  /// Whether the run was already finished, so that there is nothing to do.
  package private(set) var isDone = false
  let remark: (String) -> Void
  /// A remark that another preprocessing seemed better than the assumed one; `nil` if none did.
  package private(set) var preparationRemark: String?
  /// The results on the test images, or else on the validation images, once ``run()`` has written
  /// the model.
  package private(set) var evaluated: (part: String, result: EvaluationResult)?

  /// How the losses of epochs differ from that of an evaluation, if they do.
  package var lossRemark: String? {
    var parts: [String] = []
    if let loss = recipe.loss, !fineTuner.hasLogLoss { parts.append("are those of \(loss)") }
    if !fineTuner.model.penalties.isEmpty {
      parts.append("include the penalties on weights in training")
    }
    if recipe.classWeights != nil { parts.append("have class weights in training only") }
    guard !parts.isEmpty else { return nil }
    return "the losses of epochs \(parts.joined(separator: ", and ")); "
      + "the loss of the evaluation is the mean of -log of the right class's probability"
  }

  package var modelPath: String { folder.path(of: .model) }
  /// The path of the network in its training form; `nil` if it is not written.
  package var trainingModelPath: String? {
    recipe.export.writesTrainingForm ? folder.path(of: .trainingForm) : nil
  }
  /// Reads model and data, and creates the folder.
  ///
  /// - Parameters:
  ///   - recipe: what to do; a resumed run has it in its folder
  ///   - remark: receives assumptions that were made
  /// - Throws: `GraftError` if something does not match, before any time is spent
  package convenience init(
    _ recipe: Recipe, dataset: ImageDataset, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: @escaping (String) -> Void = { _ in }
  ) throws {
    try self.init(
      recipe, data: dataset.split(SplitShares(recipe.split), seed: recipe.seed), folder: folder,
      observers: observers, options: options, remark: remark)
  }

  /// The same for images that are already split.
  package init(
    _ recipe: Recipe, data: DatasetSplit, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: @escaping (String) -> Void = { _ in }
  ) throws {
    let folder = RunFolder(folder)
    self.folder = folder
    self.remark = remark
    let checkpointPath = folder.path(of: .checkpoint)
    let exists = folder.hasRun
    guard !exists || options.resumes else {
      throw GraftError(
        .cannotCreate, "already has a run", places: [folder.path],
        hint: "Continue it with --resume, or start another one with --output \(folder.nextFreePath)"
      )
    }
    if !exists { try folder.requireNothingLost() }
    let saved = try exists ? folder.saved() : nil
    let resumed = saved?.checkpoint
    if options.resumes, resumed == nil {
      remark("\(folder.path) has no checkpoint yet; starting from the beginning")
    }
    var recipe = recipe
    if let saved { recipe.keepExport(of: saved.recipe) }
    self.recipe = recipe
    self.data = data
    self.observers = observers
    featureCache = options.featureCache
    var tunerOptions = options.fineTuner
    // Changed images are reported first, rather than as a consequence.
    let split = try SplitFile(data, threadCount: tunerOptions.executable.threadCount)
    splitDigest =
      try resumed.map { try FineTuningRun.requireSameImages(split, in: folder, since: $0) }
      ?? split.digest
    let (model, preprocessing, isAssumed) = try TransferModel.make(
      recipe, classNames: data.classNames, remark: remark)
    self.preprocessing = preprocessing
    tunerOptions.featureFolder = tunerOptions.featureFolder ?? folder.path
    fineTuner = try FineTuner(
      recipe, model: model, data: data, preprocessing: preprocessing, options: tunerOptions)
    networkDigest = try model.graph.contentDigest(threads: tunerOptions.executable.threadCount)
      .hexadecimal
    fineTuner.delegate = self
    if let resumed {
      try requireSameNetwork(networkDigest, since: resumed)
      try requireSamePreparation(since: resumed)
      preparationRemark = resumed.state.preparationRemark
      let isFinished = try withPlace(checkpointPath) { try fineTuner.isFinished(at: resumed) }
      isDone =
        isFinished && saved?.recipe.export == recipe.export
        && [folder.path(of: .report), modelPath, trainingModelPath].compactMap { $0 }
          .allSatisfy { FileSystem.exists($0) }
    }
    let phaseCount = recipe.enteredPhaseCount
    try fineTuner.requireMemory(of: min(resumed?.state.phase ?? 0, phaseCount)..<phaseCount)
    if !isDone { try requireMemoryOfEnd() }
    if let resumed {
      try withPlace(checkpointPath) { try fineTuner.resume(resumed) }
      noteChanges(from: resumed)
    } else if isAssumed, options.triesPreparation {
      // A failed trial does not stop the run.
      let trial = try? PreparationTrial(
        recipe, model: model, preprocessing, data: data, options: fineTuner.options.executable)
      preparationRemark = trial?.remark
      if let preparationRemark { remark(preparationRemark) }
    }
    if saved != nil, !isDone {
      try requireBest()
      try folder.requireReplaceableFiles()
    }
    // Nothing has been written so far.
    try TextFile.makeFolder(folder.path)
    // The recipe comes first: it marks the folder of a run, which can be resumed from any point.
    if !exists { try saveRecipe() }
    let log = try RunLog(folder: folder.path, lengths: resumed?.state.logLengths)
    self.log = log
    self.observers.insert(log, at: 0)
    if options.resumes { folder.removeLeftovers() }
    if let saved, !isDone {
      // From here on, the run counts as unfinished, wherever it is killed.
      try folder.remove(.report)
      if saved.recipe != recipe { try saveRecipe() }
    }
    if resumed == nil { try writeBeginning(model, split) }
  }

  package func save(_ checkpoint: Checkpoint) throws {
    try write(checkpoint, to: folder.path(of: .checkpoint))
  }

  package func saveBest(_ checkpoint: Checkpoint) throws {
    try write(checkpoint, to: folder.path(of: .best))
  }

  private func write(_ checkpoint: Checkpoint, to path: String) throws {
    var checkpoint = checkpoint
    checkpoint.state.splitDigest = splitDigest
    checkpoint.state.networkDigest = networkDigest
    checkpoint.state.preparation = preparation
    checkpoint.state.preparationRemark = preparationRemark
    if let log { checkpoint.state.logLengths = try log.sync() }
    try checkpoint.write(to: path)
  }

  package func archive(for work: FrozenWork) throws -> (any FeatureArchive)? {
    try featureCache?.archive(for: work)
  }

  /// Writes what others need to repeat the run: the split, and the head's initial weights.
  private func writeBeginning(_ model: TransferModel, _ split: SplitFile) throws {
    try TextFile.save(split.text, to: folder.path(of: .split))
    let weights = model.headWeights.compactMap { id in
      model.graph.constants[id].map { (name: model.graph[id].name, tensor: $0) }
    }
    try NPZFile.write(weights, path: folder.path(of: .initialHead))
  }

  private func saveRecipe() throws {
    try TextFile.save(recipe.yaml, to: folder.path(of: .recipe))
  }

  /// Trains to the end and writes the model.
  ///
  /// - Returns: whether training is finished; false if it was interrupted
  package func run() throws -> Bool {
    guard !isDone else { return true }
    guard try fineTuner.run() else { return false }
    let model = try bestModel()
    let result: EvaluationResult?
    do {
      result = try evaluate(data.test.isEmpty ? data.validation : data.test, model)
    } catch is CancellationError {
      return false
    }
    try export(model)
    try writeReport(model, result)
    isDone = true
    return true
  }

  /// The model with the weights of the epoch with the smallest validation loss, or the final ones
  /// without validation images.
  private func bestModel() throws -> TransferModel {
    let history = fineTuner.state.history
    exportedEpoch = history.last
    guard !data.validation.isEmpty, let best = history.bestIndex, best < history.count - 1 else {
      return fineTuner.model
    }
    let bestPath = folder.path(of: .best)
    guard FileSystem.exists(bestPath) else {
      remark(
        "\(bestPath) is missing; model.onnx has the weights of the last epoch instead of the best")
      return fineTuner.model
    }
    return try withBest {
      let names = fineTuner.weightNames
      let checkpoint = try Checkpoint(path: bestPath) { names.contains(ByteString($0)) }
      guard checkpoint.state.history.count == best + 1 else {
        throw GraftError.badData("is not the checkpoint of the best epoch \(best + 1)")
      }
      exportedEpoch = history[best]
      return try fineTuner.model(of: checkpoint)
    }
  }

  /// Writes `model.onnx` and other requested forms, each to a temporary file first. Removes forms
  /// that are not wanted any more, as they would have other weights.
  private func export(_ model: TransferModel) throws {
    if let trainingModelPath {
      try ONNXExporter().write(model.trainingGraph(preprocessing), to: trainingModelPath)
    } else {
      try folder.remove(.trainingForm)
    }
    try ONNXExporter().write(
      model.inferenceGraph(preprocessing, recipe.export), to: modelPath)
  }

  /// `evaluation.json`, the curves as `curves.svg` and `curves.png`, and `report.html`.
  private func writeReport(_ model: TransferModel, _ result: EvaluationResult?) throws {
    let part = data.test.isEmpty ? "validation" : "test"
    let items = data.test.isEmpty ? data.validation : data.test
    let history = fineTuner.state.history
    if let result {
      let text = try JSONText.encode(
        RunEvaluation(result: result, notes: notes), isPretty: true)
      try TextFile.save(text + "\n", to: folder.path(of: .evaluation))
    }
    try TextFile.save(CurveDrawing.svg(history), to: folder.path(of: .curves))
    try CurveDrawing.image(history).pngFile().withUnsafeBytes {
      try AtomicFile.write($0, to: folder.path(of: .curvesImage))
    }
    let report = RunReport(
      recipe: recipe, history: history, model: model, data: data,
      exportedEpoch: exportedEpoch, notes: notes + [lossRemark].compactMap { $0 },
      evaluated: result.map { (part, items, $0) })
    try TextFile.save(try report.html(), to: folder.path(of: .report))
    evaluated = result.map { (part, $0) }
  }

  /// Notes for the user about the run's result.
  private var notes: [String] { [preparationRemark].compactMap { $0 } }

  private func evaluate(
    _ items: [ImageDataset.Item], _ model: TransferModel
  ) throws -> EvaluationResult? {
    guard !items.isEmpty else { return nil }
    let labels = Labels(names: model.classNames)
    let session = Session(
      try Executable(
        model.inferenceGraph(preprocessing, recipe.export), options: fineTuner.options.executable))
    return try Evaluator(
      session, classNames: model.classNames, items: items, preprocessing: preprocessing,
      batchSize: evaluationBatchSize
    ).evaluate(isInterrupted: { fineTuner.isInterrupted }) { outputs, count in
      let probabilities = try Ranking.probabilities(
        ofClasses: outputs[0], imageCount: count, scores: .probabilities, labels: labels)
      return (probabilities, nil)
    }
  }
}
