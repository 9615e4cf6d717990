import Foundation
import GraftData
import GraftExecution
import GraftFiles
import GraftONNX
import GraftRuntime
import GraftTraining
import GraftVision

/// A run of fine-tuning in a folder: recipe, log, checkpoint, and in the end the model.
package final class FineTuningRun {
  package struct Options: Sendable {
    package var fineTuner = FineTuner.Options()
    /// Whether to go on with what the folder holds.
    package var resumes = false
    /// Whether a few images are to say which preparation fits, where it is assumed.
    package var triesPreparation = true

    package init() {}
  }

  package let folder: String
  /// A run that is resumed exports its network as before where this recipe does not say how.
  package let recipe: Recipe
  package let fineTuner: FineTuner
  package let preprocessing: Preprocessing
  package let data: DatasetSplit
  /// The epoch whose weights ``modelPath`` has, once ``run()`` has written it; `nil` if nothing was trained.
  package private(set) var exportedEpoch: EpochRecord?
  /// Whether the run came to its end before, and there is nothing to do.
  package private(set) var isDone = false
  let remark: (String) -> Void
  /// That another way to prepare images seemed better in the beginning than the one that was assumed; `nil` if none did.
  package private(set) var preparationRemark: String?
  /// How the model does on the images for testing, or else on those for validation, once ``run()`` has written it.
  package private(set) var evaluated: (part: String, result: EvaluationResult)?

  /// What the losses of epochs are, where they are others than those of an evaluation.
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

  package static func checkpointPath(_ folder: String) -> String { "\(folder)/last.npz" }
  static func splitPath(_ folder: String) -> String { "\(folder)/split.csv" }
  package static func recipePath(_ folder: String) -> String { "\(folder)/recipe.yaml" }
  package var modelPath: String { "\(folder)/model.onnx" }
  /// Where the network is written in the form of training; `nil` if it is not.
  package var trainingModelPath: String? {
    recipe.export.writesTrainingForm ? trainingFormPath : nil
  }
  private var trainingFormPath: String { "\(folder)/training.onnx" }

  /// Reads model and data, and makes the folder.
  ///
  /// - Parameters:
  ///   - recipe: what to do; a run that is resumed has it in its folder
  ///   - remark: told what was assumed
  /// - Throws: `GraftError` before any time is spent, if something does not go together.
  package convenience init(
    _ recipe: Recipe, dataset: ImageDataset, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: @escaping (String) -> Void = { _ in }
  ) throws {
    try self.init(
      recipe, data: dataset.split(SplitShares(recipe.split), seed: recipe.seed), folder: folder,
      observers: observers, options: options, remark: remark)
  }

  /// As the other, for images that were divided already.
  package init(
    _ recipe: Recipe, data: DatasetSplit, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: @escaping (String) -> Void = { _ in }
  ) throws {
    self.folder = folder
    self.remark = remark
    let checkpointPath = FineTuningRun.checkpointPath(folder)
    let exists = FileSystem.exists(FineTuningRun.recipePath(folder))
    guard !exists || options.resumes else {
      throw GraftError(
        .cannotCreate, "holds a run already", places: [folder],
        hint: "Continue it with --resume, or start another one with --output "
          + FineTuningRun.freeFolder(after: folder))
    }
    if !exists { try FineTuningRun.requireNothingLost(in: folder) }
    let saved = try exists ? FineTuningRun.saved(in: folder) : nil
    let resumed = saved?.checkpoint
    if options.resumes, resumed == nil {
      remark("\(folder) holds no checkpoint yet; starting from the beginning")
    }
    var recipe = recipe
    if let saved { recipe.keepExport(of: saved.recipe) }
    self.recipe = recipe
    self.data = data
    var tunerOptions = options.fineTuner
    // Other images are said as such, and not as what does not fit them.
    let split = try SplitFile(data, threadCount: tunerOptions.executable.threadCount)
    let splitDigest =
      try resumed.map { try FineTuningRun.requireSameImages(split, in: folder, since: $0) }
      ?? split.digest
    let (model, preprocessing, isAssumed) = try TransferModel.make(
      recipe, classNames: data.classNames, remark: remark)
    self.preprocessing = preprocessing
    tunerOptions.featureFolder = tunerOptions.featureFolder ?? folder
    fineTuner = try FineTuner(
      recipe, model: model, data: data, preprocessing: preprocessing, observers: observers,
      options: tunerOptions)
    let network = try model.graph.contentDigest(threads: tunerOptions.executable.threadCount)
      .hexadecimal
    if let resumed {
      try requireSameNetwork(network, since: resumed)
      try requireSamePreparation(since: resumed)
      preparationRemark = resumed.state.preparationRemark
      let isFinished = try withPlace(checkpointPath) { try fineTuner.isFinished(at: resumed) }
      isDone =
        isFinished && saved?.recipe.export == recipe.export
        && [reportPath, modelPath, trainingModelPath].compactMap { $0 }
          .allSatisfy { FileSystem.exists($0) }
    }
    let phaseCount = recipe.enteredPhaseCount
    try fineTuner.requireMemory(of: min(resumed?.state.phase ?? 0, phaseCount)..<phaseCount)
    if !isDone { try requireMemoryOfEnd() }
    if let resumed {
      try withPlace(checkpointPath) { try fineTuner.resume(resumed) }
      sayWhatChanges(from: resumed)
    } else if isAssumed, options.triesPreparation {
      // A run does not end for it.
      let trial = try? PreparationTrial(
        recipe, model: model, preprocessing, data: data, options: fineTuner.options.executable)
      preparationRemark = trial?.remark
      if let preparationRemark { remark(preparationRemark) }
    }
    if saved != nil, !isDone {
      try requireBest()
      try requireReplaceableFiles()
    }
    // Nothing was written up to here.
    try TextFile.makeFolder(folder)
    // First of all: a folder with a recipe is one of a run, which goes on wherever it was killed.
    if !exists { try saveRecipe() }
    let log = try RunLog(folder: folder, lengths: resumed?.state.logLengths)
    fineTuner.observers.insert(log, at: 0)
    if options.resumes { removeLeftovers() }
    if let saved, !isDone {
      // From here on, and wherever it is killed, the run has not come to its end.
      try removeResult(reportPath)
      if saved.recipe != recipe { try saveRecipe() }
    }
    if resumed == nil { try writeBeginning(model, split) }
    let (digest, preparation, noted) = (splitDigest, self.preparation, preparationRemark)
    func writing(to path: String) -> (Checkpoint) throws -> Void {
      { checkpoint in
        var checkpoint = checkpoint
        checkpoint.state.splitDigest = digest
        checkpoint.state.networkDigest = network
        checkpoint.state.preparation = preparation
        checkpoint.state.preparationRemark = noted
        checkpoint.state.logLengths = try log.sync()
        try checkpoint.write(to: path)
      }
    }
    fineTuner.save = writing(to: checkpointPath)
    fineTuner.saveBest = writing(to: bestPath)
  }

  /// What a run writes, besides its logs.
  private static let fileNames = [
    "last.npz", "best.npz", "initial-head.npz", "split.csv", "recipe.yaml", "model.onnx",
    "training.onnx", "evaluation.json", "curves.svg", "curves.png", "report.html",
  ]

  /// - Throws: `GraftError` if something else is in the place of a file that a run that goes on will write.
  private func requireReplaceableFiles() throws {
    for path in FineTuningRun.fileNames.map({ "\(folder)/\($0)" })
    where FileSystem.exists(path) && !FileSystem.isRegularFile(path) {
      throw GraftError(
        .cannotCreate, "is not a regular file", places: [path],
        hint: "Remove it, or start another run with --output")
    }
  }

  /// Files that a run which was killed had not finished; their names begin with that of the file.
  private func removeLeftovers() {
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      let isUnfinished = FineTuningRun.fileNames.contains { file in
        name.hasPrefix("\(file).part") || name.hasPrefix("\(file).") && name.hasSuffix(".tmp")
      }
      if isUnfinished { FileSystem.remove("\(folder)/\(name)") }
    }
  }

  /// - Throws: `GraftError` if a new run would replace files that are there, the network's own among them.
  private static func requireNothingLost(in folder: String) throws {
    for name in fileNames + RunLog.fileNames {
      guard FileSystem.statusOfLink("\(folder)/\(name)") != nil else { continue }
      throw GraftError(
        .cannotCreate, "is there already, and a run would replace it",
        places: ["\(folder)/\(name)"],
        hint: "Choose another folder, such as --output \(freeFolder(after: folder))")
    }
  }

  /// The first folder of the same name with a higher number that is not there.
  private static func freeFolder(after folder: String) -> String {
    var name = folder
    while name.count > 1, name.hasSuffix("/") { name.removeLast() }
    let digits = name.reversed().prefix { $0.isASCII && $0.isNumber }.count
    let number = digits < 10 ? Int(name.suffix(digits)) : nil
    let base = number == nil ? name : String(name.dropLast(digits))
    return ((number ?? 1) + 1...Int(Int32.max)).lazy.map { "\(base)\($0)" }
      .first { !FileSystem.exists($0) } ?? "\(name)-new"
  }

  /// - Throws: `GraftError` if the folder is a link, which would lead a run of several folds elsewhere.
  package static func requireOwnFolder(_ folder: String) throws {
    guard let status = FileSystem.statusOfLink(folder), status.st_mode & S_IFMT != S_IFDIR
    else { return }
    throw GraftError(
      .cannotCreate, "is a link or not a folder", places: [folder],
      hint: "Remove it, or choose another folder with --output")
  }

  /// What others need to do the same: which image belongs to which part, and the head's first weights.
  private func writeBeginning(_ model: TransferModel, _ split: SplitFile) throws {
    try TextFile.save(split.text, to: FineTuningRun.splitPath(folder))
    let weights = model.headWeights.compactMap { id in
      model.graph.constants[id].map { (name: model.graph[id].name, tensor: $0) }
    }
    try NPZFile.write(weights, path: "\(folder)/initial-head.npz")
  }

  private func saveRecipe() throws {
    try TextFile.save(try recipe.yaml, to: FineTuningRun.recipePath(folder))
  }

  /// Removes what an earlier end of the run left there, if it did.
  private func removeResult(_ path: String) throws {
    if FileSystem.exists(path), FileSystem.remove(path) != 0 { throw GraftError.writing(path) }
  }

  /// Trains to the end and writes the model.
  ///
  /// - Returns: whether it came to the end; false if it was interrupted.
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

  /// The model with the weights of the epoch with the smallest validation loss; where there are no validation images,
  /// those that training ended with.
  private func bestModel() throws -> TransferModel {
    let history = fineTuner.state.history
    exportedEpoch = history.last
    guard !data.validation.isEmpty, let best = history.bestIndex, best < history.count - 1 else {
      return fineTuner.model
    }
    guard FileSystem.exists(bestPath) else {
      remark(
        "\(bestPath) is missing; model.onnx has the weights of the last epoch, not of the best")
      return fineTuner.model
    }
    return try withBest {
      let names = fineTuner.weightNames
      let checkpoint = try Checkpoint(path: bestPath) { names.contains(ByteString($0)) }
      guard checkpoint.state.history.count == best + 1 else {
        throw GraftError.badData("is not the checkpoint of epoch \(best + 1), the best one")
      }
      exportedEpoch = history[best]
      return try fineTuner.model(of: checkpoint)
    }
  }

  /// Writes `model.onnx` and what else was asked for, each beside the file first. What is not wanted any more would have
  /// other weights.
  private func export(_ model: TransferModel) throws {
    if let trainingModelPath {
      try ONNXExporter().write(model.trainingGraph(preprocessing), to: trainingModelPath)
    } else {
      try removeResult(trainingFormPath)
    }
    try ONNXExporter().write(
      model.inferenceGraph(preprocessing, recipe.export), to: modelPath)
  }

  /// It is written last: a run without one has not come to its end.
  private var reportPath: String { "\(folder)/report.html" }

  /// `evaluation.json`, the curves as `curves.svg` and `curves.png`, and `report.html`.
  private func writeReport(_ model: TransferModel, _ result: EvaluationResult?) throws {
    let part = data.test.isEmpty ? "validation" : "test"
    let items = data.test.isEmpty ? data.validation : data.test
    let history = fineTuner.state.history
    if let result {
      let text = try JSONText.encode(
        RunEvaluation(result: result, notes: notes), isPretty: true)
      try TextFile.save(text + "\n", to: "\(folder)/evaluation.json")
    }
    try TextFile.save(CurveDrawing.svg(history), to: "\(folder)/curves.svg")
    try CurveDrawing.image(history).pngFile().withUnsafeBytes {
      try AtomicFile.write($0, to: "\(folder)/curves.png")
    }
    let report = RunReport(
      recipe: recipe, history: history, model: model, data: data,
      exportedEpoch: exportedEpoch, notes: notes + [lossRemark].compactMap { $0 },
      evaluated: result.map { (part, items, $0) })
    try TextFile.save(try report.html(), to: reportPath)
    evaluated = result.map { (part, $0) }
  }

  /// What people should know of the run's result.
  private var notes: [String] { [preparationRemark].compactMap { $0 } }

  /// How the trained model does on the images that were set apart; `nil` if there are none.
  package func testResult() throws -> EvaluationResult? {
    try evaluate(data.test, try bestModel())
  }

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
    ).evaluate(isInterrupted: fineTuner.isInterrupted) { outputs, count in
      let probabilities = try Ranking.probabilities(
        ofClasses: outputs[0], imageCount: count, scores: .probabilities, labels: labels)
      return (probabilities, nil)
    }
  }
}
