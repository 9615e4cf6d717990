import Foundation
import GraftData
import GraftModels
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
    /// How the model is written. A run that came to its end is exported again if this is not the default.
    package var export = ExportOptions()

    package init() {}
  }

  package let folder: String
  package let recipe: Recipe
  package let fineTuner: FineTuner
  package let preprocessing: Preprocessing
  package let data: DatasetSplit
  private let options: Options
  /// How the model does on the pictures for testing, or else on those for validation, once ``run()`` has written it.
  package private(set) var evaluated: (part: String, result: EvaluationResult)?

  package static func checkpointPath(_ folder: String) -> String { "\(folder)/last.npz" }
  package static func recipePath(_ folder: String) -> String { "\(folder)/recipe.yaml" }
  package var modelPath: String { "\(folder)/model.onnx" }

  /// Reads model and data, and makes the folder.
  ///
  /// - Parameters:
  ///   - recipe: what to do; a run that is resumed has it in its folder
  ///   - remark: told what was assumed
  /// - Throws: `GraftError` before any time is spent, if something does not go together.
  package convenience init(
    _ recipe: Recipe, dataset: PictureDataset, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: (String) -> Void = { _ in }
  ) throws {
    try self.init(
      recipe, data: dataset.split(SplitShares(recipe.split), seed: recipe.seed), folder: folder,
      observers: observers, options: options, remark: remark)
  }

  /// As the other, for pictures that were divided already.
  package init(
    _ recipe: Recipe, data: DatasetSplit, folder: String,
    observers: [any TrainingObserver] = [], options: Options = Options(),
    remark: (String) -> Void = { _ in }
  ) throws {
    self.folder = folder
    self.recipe = recipe
    self.options = options
    let checkpointPath = FineTuningRun.checkpointPath(folder)
    let exists = FileManager.default.fileExists(atPath: FineTuningRun.recipePath(folder))
    guard !exists || options.resumes else {
      throw GraftError(
        .cannotCreate, "holds a run already", places: [folder],
        hint: "Continue it with --resume, or choose another folder with --output")
    }
    self.data = data
    let (model, preprocessing) = try TransferModel.make(
      recipe, classNames: data.classNames, remark: remark)
    self.preprocessing = preprocessing
    var tunerOptions = options.fineTuner
    tunerOptions.featureFolder = tunerOptions.featureFolder ?? folder
    fineTuner = try FineTuner(
      recipe, model: model, data: data, preprocessing: preprocessing, observers: observers,
      options: tunerOptions)
    let resumed = try options.resumes ? FineTuningRun.checkpoint(folder, remark) : nil
    if let resumed {
      try requireSamePictures()
      try withPlace(checkpointPath) { try fineTuner.resume(resumed) }
    }
    // Nothing was written up to here.
    try TextFile.makeFolder(folder)
    let log = try RunLog(folder: folder, lengths: resumed?.state.logLengths)
    fineTuner.observers.insert(log, at: 0)
    if options.resumes { removeLeftovers() }
    if resumed == nil {
      try TextFile.save(try recipe.yaml, to: FineTuningRun.recipePath(folder))
      try writeBeginning(model)
    }
    func writing(to path: String) -> (Checkpoint) throws -> Void {
      { checkpoint in
        var checkpoint = checkpoint
        checkpoint.state.logLengths = try log.sync()
        try checkpoint.write(to: path)
      }
    }
    fineTuner.save = writing(to: checkpointPath)
    fineTuner.saveBest = writing(to: "\(folder)/best.npz")
  }

  /// Files that a run which was killed had not finished; their names begin with that of the file.
  private func removeLeftovers() {
    let files = [
      "last.npz", "best.npz", "initial-head.npz", "split.csv", "recipe.yaml", "model.onnx",
      "training.onnx",
      "evaluation.json", "curves.svg", "curves.png", "report.html",
    ]
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names {
      let isUnfinished = files.contains { file in
        name.hasPrefix("\(file).part") || name.hasPrefix("\(file).") && name.hasSuffix(".tmp")
      }
      if isUnfinished { unlink("\(folder)/\(name)") }
    }
  }

  /// Where the folder's run stands; `nil` if nothing of it was saved.
  private static func checkpoint(
    _ folder: String, _ remark: (String) -> Void
  ) throws -> Checkpoint? {
    let path = checkpointPath(folder)
    guard FileManager.default.fileExists(atPath: path) else {
      remark("\(folder) holds no checkpoint yet; starting from the beginning")
      return nil
    }
    return try Checkpoint(path: path)
  }

  /// What others need to do the same: which picture belongs to which part, and the head's first weights.
  private func writeBeginning(_ model: TransferModel) throws {
    let lines = ["part,label,picture"] + splitLines
    try TextFile.save(lines.joined(separator: "\n") + "\n", to: splitPath)
    let weights = model.headWeights.compactMap { id in
      model.graph.constants[id].map { (name: model.graph[id].name, tensor: $0) }
    }
    try NPZFile.write(weights, path: "\(folder)/initial-head.npz")
  }

  private var splitPath: String { "\(folder)/split.csv" }

  private var splitLines: [String] {
    [("training", data.training), ("validation", data.validation), ("test", data.test)].flatMap {
      name, items in
      items.map { item in
        let place = item.picture.place.replacingOccurrences(of: "\"", with: "\"\"")
        return "\(name),\(item.label),\"\(place)\""
      }
    }
  }

  /// - Throws: `GraftError` if the pictures are not those that the run began with; their folder may have moved.
  private func requireSamePictures() throws {
    func withoutFolders(_ line: some StringProtocol) -> String {
      let fields = line.split(separator: ",", maxSplits: 2)
      let name = fields.last?.split(separator: "/").last ?? ""
      return fields.dropLast().joined(separator: ",") + name
    }
    let text = try TextFile.read(splitPath, limit: 1 << 30)
    let before = text.split(separator: "\n").dropFirst()
    let now = splitLines.joined(separator: "\n").split(separator: "\n")
    guard before.map(withoutFolders) == now.map(withoutFolders) else {
      throw GraftError.usage(
        "the pictures are not those that the run in \(folder) began with",
        hint: "Give it the same data, or start another run with --output")
    }
  }

  /// Trains to the end and writes the model.
  ///
  /// - Returns: whether it came to the end; false if it was interrupted.
  package func run() throws -> Bool {
    guard !isDone || options.export != ExportOptions() else { return true }
    guard try fineTuner.run() else { return false }
    try export()
    try writeReport()
    return true
  }

  /// Writes `model.onnx` and what else was asked for, each beside the file first.
  private func export() throws {
    let model = fineTuner.model
    if options.export.writesTrainingForm {
      try ONNXExporter().write(
        model.trainingGraph(preprocessing), to: "\(folder)/training.onnx")
    }
    try ONNXExporter().write(
      model.inferenceGraph(preprocessing, options.export), to: modelPath)
  }

  /// Whether the folder's run came to its end before; the report is written last.
  private var isDone: Bool {
    fineTuner.state.phase == recipe.phases.count
      && [modelPath, reportPath].allSatisfy { FileManager.default.fileExists(atPath: $0) }
  }

  private var reportPath: String { "\(folder)/report.html" }

  /// `evaluation.json`, the curves as `curves.svg` and `curves.png`, and `report.html`.
  private func writeReport() throws {
    let part = data.test.isEmpty ? "validation" : "test"
    let items = data.test.isEmpty ? data.validation : data.test
    let result = try evaluate(items)
    let history = fineTuner.state.history
    if let result {
      let text = try JSONText.encode(result, isPretty: true)
      try TextFile.save(text + "\n", to: "\(folder)/evaluation.json")
    }
    try TextFile.save(CurveDrawing.svg(history), to: "\(folder)/curves.svg")
    try CurveDrawing.image(history).pngFile().withUnsafeBytes {
      try AtomicFile.write($0, to: "\(folder)/curves.png")
    }
    let report = RunReport(
      recipe: recipe, history: history, model: fineTuner.model, data: data,
      evaluated: result.map { (part, items, $0) })
    try TextFile.save(try report.html(), to: reportPath)
    evaluated = result.map { (part, $0) }
  }

  /// How the trained model does on the pictures that were set apart; `nil` if there are none.
  package func testResult() throws -> EvaluationResult? { try evaluate(data.test) }

  private func evaluate(_ items: [PictureDataset.Item]) throws -> EvaluationResult? {
    guard !items.isEmpty else { return nil }
    let model = fineTuner.model
    let labels = Labels(names: model.classNames)
    let session = Session(
      try Executable(
        model.inferenceGraph(preprocessing, options.export), options: options.fineTuner.executable))
    return try Evaluator(
      session, classNames: model.classNames, items: items, preprocessing: preprocessing,
      batchSize: min(64, recipe.batchSize)
    ).evaluate { try Ranking.probabilities(ofClasses: $0, labels: labels) }
  }
}
