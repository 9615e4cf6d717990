import ArgumentParser
import Foundation
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// What `graft finetune` and `graft train` share: all but the defaults.
struct TrainingOptions: ParsableArguments {
  @Argument(help: "The images and their classes.")
  var data: String

  @OptionGroup var recipeOptions: RecipeOptions

  @Option(name: .shortAndLong, help: "The folder of the run.")
  var output = "run"

  @Flag(
    help:
      "Go on with the run in the folder; --epochs can give its last phase more epochs, or add phases."
  )
  var resume = false

  @Option(
    help: ArgumentHelp(
      "Train once for each of so many folds, each tested on images that the others train on.",
      valueName: "folds"))
  var crossValidate: Int?

  @Flag(
    help: "Try learning rates that grow from step to step in the first phase, and suggest one.")
  var findLearningRate = false

  @Option(help: "Unreadable images to put up with.")
  var maxBad = 100

  @Flag(help: "Compute the features of the frozen trunk in every epoch.")
  var noFeatureCache = false

  @Option(help: "Megabytes of features to hold in memory; more go to a file.")
  var featureMemory = 2048

  @Flag(
    help:
      "Take less memory and more time: compute activations again when gradients need them. The results are the same."
  )
  var recompute = false

  @Option(
    help:
      "float32 (the default) or float16: the type of weights and computation in model.onnx. Inputs and outputs stay float32."
  )
  var exportType: ExportOptions.Precision?

  @Flag(
    inversion: .prefixedNo,
    help: "Move BatchNormalization into the layers in front of it in model.onnx.")
  var foldNormalization: Bool?

  @Flag(
    inversion: .prefixedNo,
    help: "Write training.onnx, too, with dropout and logits, to train on with --head keep.")
  var exportTrainingCheckpoint: Bool?

  @Option(
    help: ArgumentHelp(
      "Write a sheet of images with the changes of --augment, and train nothing.",
      valueName: "file.png"))
  var preview: String?

  @OptionGroup var compute: ComputeOptions

  /// What was said about the run already.
  private var notes: Notes { Notes.shared }

  func validate() throws {
    // A variable that is not set, more often than not.
    guard !output.isEmpty else { throw ValidationError("--output takes the name of a folder.") }
    if let crossValidate {
      guard (2...1000).contains(crossValidate) else {
        throw ValidationError("--cross-validate takes 2 to 1000 folds.")
      }
    }
    guard !findLearningRate || crossValidate == nil && !resume else {
      throw ValidationError("--find-learning-rate trains no run that could go on or have folds.")
    }
    guard (0...1 << 30).contains(featureMemory) else {
      throw ValidationError("--feature-memory takes 0 to \(1 << 30) megabytes.")
    }
    // Else a photo may be meant, which the sheet would replace.
    if let preview, FilePath.ending(of: preview) != "png" {
      throw ValidationError("--preview takes the name of a PNG file, such as sheet.png.")
    }
    guard maxBad >= 0 else { throw ValidationError("--max-bad takes a number from 0.") }
  }

  /// Trains as the options say, or from where the folder's run stands.
  ///
  /// - Parameter defaults: the recipe where neither a file nor options say anything
  func train(_ command: String, defaults: Recipe) throws {
    let saved = try resume ? savedRecipe() : nil
    var recipe = try recipeOptions.makeRecipe(saved ?? defaults)
    if let precision = compute.precision { recipe.precision = precision }
    if let exportType { recipe.exportType = exportType }
    if let foldNormalization { recipe.foldNormalization = foldNormalization }
    if let exportTrainingCheckpoint { recipe.exportTrainingCheckpoint = exportTrainingCheckpoint }
    if let saved, !saved.isBeginning(of: recipe) {
      throw GraftError.usage(
        "a run that goes on keeps its recipe, and the options change it",
        hint: "Of a run that goes on only --epochs and the form of model.onnx can change; "
          + "start another run with --output")
    }
    if !resume, let remark = recipeOptions.phaseRemark(of: recipe) { notes.print(remark) }
    // All images are read first, which takes long.
    if let preview {
      try AtomicFile.requireWritable(preview)
    } else {
      try TextFile.requireWritableFolder(output)
    }
    let dataset = try LabelledImages.open(
      data, for: .training, maximumBad: maxBad, compute)
    if let preview { return try writePreview(to: preview, recipe, dataset) }
    // An archive is unpacked into memory, which is not free any more for the run.
    var options = FineTuningRun.Options()
    options.resumes = resume
    options.fineTuner.executable = compute.executableOptions
    options.fineTuner.keepsFeatures = !noFeatureCache
    options.fineTuner.featureMemoryLimit = featureMemory << 20
    if let cache = try compute.cache {
      options.fineTuner.archive = FeatureCache(cache).archive
    }
    options.fineTuner.recomputes = recompute
    if let maxMemory = compute.maxMemory { options.fineTuner.memoryLimit = maxMemory << 20 }
    let interruption = Interruption()
    guard let crossValidate else {
      let split = try dataset.split(SplitShares(recipe.split), seed: recipe.seed)
      fitBatch(of: &recipe, to: [split], defaults)
      guard !findLearningRate else {
        return try search(recipe, split, options.fineTuner, interruption)
      }
      let run = try train(command, recipe, split, folder: output, options, interruption)
      sayAgain(run.preparationRemark)
      return
    }
    var results: [[RunState.PhaseResult]] = []
    var preparationRemark: String?
    let folds = try dataset.folds(count: crossValidate, seed: recipe.seed)
    fitBatch(of: &recipe, to: folds, defaults)
    for (index, split) in folds.enumerated() {
      try print("fold \(index + 1) of \(crossValidate)")
      let folder = foldFolder(index + 1)
      try FineTuningRun.requireOwnFolder(folder)
      options.triesPreparation = index == 0
      let run = try train(command, recipe, split, folder: folder, options, interruption)
      results.append(phaseResults(of: run))
      preparationRemark = preparationRemark ?? run.preparationRemark
    }
    let summary = CrossValidationSummary(folds: results)
    try summary.write(to: output)
    try print("accuracy on the images that each fold was tested on:")
    try print(
      Terminal.table(summary.rows { "\($0)" }, rightAligned: Set(1...max(1, summary.phases.count))))
    try print("\(output)/\(CrossValidationSummary.jsonName), \(CrossValidationSummary.pageName)")
    sayAgain(preparationRemark)
  }

  /// What was said in the beginning, where nobody sees it any more.
  private func sayAgain(_ text: String?) {
    if let text { CommandLineProgram.note(text) }
  }

  /// How each phase of a run that ended did on the test images.
  private func phaseResults(of run: FineTuningRun) -> [RunState.PhaseResult] {
    // A phase of no epochs changes nothing, and is not said to begin either.
    let phases = run.recipe.phases
    return run.fineTuner.state.phaseResults.filter {
      !phases.indices.contains($0.phase - 1) || phases[$0.phase - 1].epochs > 0
    }
  }

  /// A batch that nobody asked for is not larger than the data.
  private func fitBatch(of recipe: inout Recipe, to data: [DatasetSplit], _ defaults: Recipe) {
    let count = data.map(\.training.count).min() ?? 0
    guard recipeOptions.batchSize == nil, !resume, recipe.batchSize == defaults.batchSize,
      1..<recipe.batchSize ~= count
    else { return }
    recipe.batchSize = count
    CommandLineProgram.note("a batch is all \(count) images to train on (--batch-size)")
  }

  /// - Returns: the run, which came to its end
  private func train(
    _ command: String, _ recipe: Recipe, _ data: DatasetSplit, folder: String,
    _ options: FineTuningRun.Options,
    _ interruption: Interruption
  ) throws -> FineTuningRun {
    var options = options
    // Of several folds, those behind the one that was interrupted have not begun.
    options.resumes =
      resume && FileSystem.exists(FineTuningRun.recipePath(folder))
    let progress = TrainingProgress()
    let run = try FineTuningRun(
      recipe, data: data, folder: folder, observers: [progress], options: options,
      remark: notes.print)
    try print(
      "\(run.data.training.count) images to train on, \(run.data.validation.count) to validate, "
        + "\(run.data.test.count) to test; \(data.classNames.count) classes: "
        + data.classNames.listed())
    if run.isDone {
      try print("The run came to its end before.")
      try print("More epochs: graft \(continuationWithMoreEpochs(command, of: run.recipe))")
    }
    run.fineTuner.isInterrupted = { interruption.isRequested }
    guard try run.run() else {
      try print("Interrupted; everything up to this step is saved.")
      try print("Continue: graft \(continuation(command))")
      throw ExitStatus(code: 130)
    }
    for result in phaseResults(of: run) {
      try print(
        String(
          format: "test after phase %d: loss %.4f, accuracy %.2f %%", result.phase, result.loss,
          result.accuracy * 100))
    }
    if let epoch = run.exportedEpoch { try print(origin(of: epoch, run)) }
    if let (part, result) = run.evaluated {
      try print("on the \(part) images: " + EvaluateCommand.summary(result))
      if let remark = run.lossRemark { notes.print(remark) }
    }
    if data.classNames.count == 2 {
      notes.print(
        "model.onnx gives [N, 1]: the probability of '\(data.classNames[1])'; that of "
          + "'\(data.classNames[0])' is the rest")
    }
    if let path = run.trainingModelPath {
      try print(
        "\(Output.oneLine(path)): graft finetune IMAGES --model \(Terminal.quoted(path)) --head keep"
      )
    }
    let form = run.recipe.export.precision == .float16 ? " (float16)" : ""
    try print(
      "\(Output.oneLine(run.modelPath))\(form): infer IMAGE --model \(Terminal.quoted(run.modelPath))"
    )
    return run
  }

  private func origin(of epoch: EpochRecord, _ run: FineTuningRun) -> String {
    let text = "model.onnx: the weights after epoch \(epoch.epoch) of phase \(epoch.phase)"
    guard let loss = epoch.validationLoss else { return text + ", the last one" }
    return text + String(format: ", which has the smallest validation loss (%.4f)", loss)
  }

  private func search(
    _ recipe: Recipe, _ data: DatasetSplit, _ options: FineTuner.Options,
    _ interruption: Interruption
  ) throws {
    let search = try LearningRateSearch(
      recipe, data: data, folder: output, observers: [TrainingProgress()], options: options,
      remark: notes.print)
    guard let range = try search.run(isInterrupted: { interruption.isRequested }) else {
      throw ExitStatus(code: 130)
    }
    try print("\(range.points.count) learning rates: \(search.csvPath), \(search.chartPath)")
    guard let suggestion = range.suggestion else {
      try print("The loss falls at none of them; look at the data, or at what is trained.")
      return
    }
    // The other phases keep theirs: one rate alone would be that of all.
    let rates =
      [String(format: "%.1e", suggestion)] + recipe.phases.dropFirst().map { "\($0.learningRate)" }
    try print(
      "suggestion: --learning-rate \(rates.joined(separator: ",")), a tenth of that with the least loss"
    )
  }
}

extension ExportOptions.Precision: ExpressibleByArgument {}

/// Notes for people, each said once: all folds of a cross-validation have the same.
private final class Notes {
  nonisolated(unsafe) static let shared = Notes()
  private var said: Set<String> = []

  func print(_ text: String) {
    if said.insert(text).inserted { CommandLineProgram.note(text) }
  }
}
