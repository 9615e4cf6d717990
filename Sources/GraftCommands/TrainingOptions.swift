import ArgumentParser
import Graft
import GraftData
import GraftExecution
import GraftFiles
import GraftTraining

/// The options shared by `graft finetune` and `graft train`, which differ in defaults.
struct TrainingOptions: ParsableArguments {
  @Argument(help: "The images and their classes.")
  var data: String

  @OptionGroup var recipeOptions: RecipeOptions

  @Option(name: .shortAndLong, help: "The folder for the run's files.")
  var output = "run"

  @Flag(
    help: """
      Continue the run in the folder; --epochs can extend its last phase, or add phases.
      """)
  var resume = false

  @Option(
    help: ArgumentHelp(
      "Train once per fold, each time testing on another part of the images.",
      valueName: "folds"))
  var crossValidate: Int?

  @Flag(
    help: "Try increasing learning rates in the first phase, and suggest one.")
  var findLearningRate = false

  @Option(help: "The number of unreadable images to tolerate.")
  var maxBad = 100

  @Flag(help: "Recompute the features of the frozen trunk in every epoch.")
  var noFeatureCache = false

  @Option(help: "Megabytes of features to keep in memory; the rest goes to a file.")
  var featureMemory = 2048

  @Flag(
    help: """
      Use less memory and more time by recomputing activations for gradients. The results are \
      the same.
      """)
  var recompute = false

  @Option(
    help: ArgumentHelp(
      "Write a sheet of images changed by --augment, without training.",
      valueName: "file.png"))
  var preview: String?

  @OptionGroup var compute: ComputeOptions

  /// The notes that were already printed.
  private var notes: Notes { Notes.shared }

  func validate() throws {
    // Probably an unset variable.
    guard !output.isEmpty else { throw ValidationError("--output must name a folder.") }
    if let crossValidate {
      guard (2...1000).contains(crossValidate) else {
        throw ValidationError("--cross-validate must be 2 to 1000 folds.")
      }
    }
    guard !findLearningRate || crossValidate == nil && !resume else {
      throw ValidationError(
        "--find-learning-rate cannot be combined with --resume or --cross-validate.")
    }
    guard (0...1 << 30).contains(featureMemory) else {
      throw ValidationError("--feature-memory must be 0 to \(1 << 30) megabytes.")
    }
    guard preview == nil || !findLearningRate && crossValidate == nil else {
      throw ValidationError(
        "--preview cannot be combined with --find-learning-rate or --cross-validate.")
    }
    // Otherwise the path may be a photo, which the sheet would overwrite.
    if let preview, FilePath.ending(of: preview) != "png" {
      throw ValidationError("--preview must name a PNG file, such as sheet.png.")
    }
    guard maxBad >= 0 else { throw ValidationError("--max-bad must be at least 0.") }
  }

  /// Trains as configured, or continues the folder's run.
  ///
  /// - Parameter defaults: the recipe without a file or options
  func train(_ command: String, defaults: Recipe) throws {
    let saved = try resume ? savedRecipe() : nil
    var recipe = try recipeOptions.makeRecipe(saved ?? defaults, precision: compute.precision)
    if let saved {
      // A default that was fitted to the data when the run started.
      if !recipe.gives("batch_size") { recipe.batchSize = saved.batchSize }
      try saved.requireBeginning(of: recipe)
    }
    if !resume, let remark = recipeOptions.phaseRemark(of: recipe) { notes.print(remark) }
    // Reading all images takes long, so that output and trunk are checked before.
    if let preview {
      try AtomicFile.requireWritable(preview)
    } else {
      try TextFile.requireWritableFolder(output)
      if !resume && !findLearningRate { try requireNoRun() }
    }
    if FileSystem.exists(data) { try TransferModel.findTrunk(of: recipe) }
    let dataset = try LabelledImages.open(
      data, for: .training, maximumBad: maxBad, compute)
    if let preview { return try writePreview(to: preview, recipe, dataset) }
    // An archive is unpacked into memory, which reduces the free memory of the run.
    var options = FineTuningRun.Options()
    options.resumes = resume
    options.fineTuner.executable = compute.executableOptions
    options.fineTuner.keepsFeatures = !noFeatureCache
    options.fineTuner.featureMemoryLimit = featureMemory << 20
    options.featureCache = try compute.cache.map { FeatureCache($0) }
    options.fineTuner.recomputes = recompute
    if let maxMemory = compute.maxMemory { options.fineTuner.memoryLimit = maxMemory << 20 }
    let interruption = Interruption()
    guard let crossValidate else {
      let split = try dataset.split(SplitShares(recipe.split), seed: recipe.seed)
      fitBatch(of: &recipe, to: [split])
      guard !findLearningRate else {
        return try search(recipe, split, options, interruption)
      }
      let run = try train(command, recipe, split, folder: output, options, interruption)
      repeatNote(run.preparationRemark)
      return
    }
    var results: [[RunState.PhaseResult]] = []
    var preparationRemark: String?
    let folds = try dataset.folds(count: crossValidate, seed: recipe.seed)
    fitBatch(of: &recipe, to: folds)
    for (index, split) in folds.enumerated() {
      try print("fold \(index + 1) of \(crossValidate)")
      let folder = foldFolder(index + 1)
      try RunFolder(folder).requireOwn()
      options.triesPreparation = index == 0
      let run = try train(command, recipe, split, folder: folder, options, interruption)
      results.append(phaseResults(of: run))
      preparationRemark = preparationRemark ?? run.preparationRemark
    }
    let summary = CrossValidationSummary(folds: results)
    try summary.write(to: output)
    try print("accuracy on the test images of each fold:")
    try print(
      Terminal.table(summary.rows { "\($0)" }, rightAligned: Set(1...max(1, summary.phases.count))))
    try print("\(output)/\(CrossValidationSummary.jsonName), \(CrossValidationSummary.pageName)")
    repeatNote(preparationRemark)
  }

  /// Repeats a note that has scrolled out of sight.
  private func repeatNote(_ text: String?) {
    if let text { CommandLineProgram.note(text) }
  }

  /// The test results of each phase of a finished run.
  private func phaseResults(of run: FineTuningRun) -> [RunState.PhaseResult] {
    // A phase without epochs changes nothing, and is not announced either.
    let phases = run.recipe.phases
    return run.fineTuner.state.phaseResults.filter {
      !phases.indices.contains($0.phase - 1) || phases[$0.phase - 1].epochs > 0
    }
  }

  /// Limits a batch size that nobody gave to the size of the data.
  private func fitBatch(of recipe: inout Recipe, to data: [DatasetSplit]) {
    let count = data.map(\.training.count).min() ?? 0
    guard !resume, !recipe.gives("batch_size"), 1..<recipe.batchSize ~= count else { return }
    recipe.batchSize = count
    let images = count == 1 ? "the only training image" : "all \(count) training images"
    CommandLineProgram.note("a batch has \(images) (--batch-size)")
  }

  /// - Returns: the finished run
  private func train(
    _ command: String, _ recipe: Recipe, _ data: DatasetSplit, folder: String,
    _ options: FineTuningRun.Options,
    _ interruption: Interruption
  ) throws -> FineTuningRun {
    var options = options
    // After an interrupted fold, the next ones have not started.
    options.resumes =
      resume && RunFolder(folder).hasRun
    let progress = TrainingProgress(interruption)
    let run = try FineTuningRun(
      recipe, data: data, folder: folder, observers: [progress], options: options,
      remark: notes.print)
    try print(
      "\(run.data.training.count.counting("training image")), "
        + "\(run.data.validation.count) validation, \(run.data.test.count) test; "
        + "\(data.classNames.count) classes: "
        + data.classNames.listed())
    if run.isDone {
      try print("The run is already finished.")
      try print("For more epochs: graft \(continuationWithMoreEpochs(command, of: run.recipe))")
    }
    guard try run.run() else {
      try print("Interrupted; everything up to this step is saved.")
      try print("To continue: graft \(continuation(command))")
      throw ExitStatus(code: 130)
    }
    for result in phaseResults(of: run) {
      try print(
        "test after phase \(result.phase): "
          + String(printf: "loss %.4f, accuracy %.2f %%", result.loss, result.accuracy * 100))
    }
    if let epoch = run.exportedEpoch { try print(origin(of: epoch, run)) }
    if let (part, result) = run.evaluated {
      try print("on the \(part) images: " + EvaluateCommand.summary(result))
      if let remark = run.lossRemark { notes.print(remark) }
    }
    if data.classNames.count == 2 {
      notes.print(
        "model.onnx outputs [N, 1]: the probability of '\(data.classNames[1])'; that of "
          + "'\(data.classNames[0])' is the remainder")
    }
    if let path = run.trainingModelPath {
      try print(
        "\(Output.oneLine(path)): "
          + "graft finetune IMAGES --model \(Terminal.quoted(path)) --head keep")
    }
    let form = run.recipe.export.precision == .float16 ? " (float16)" : ""
    try print(
      "\(Output.oneLine(run.modelPath))\(form): "
        + "infer IMAGE --model \(Terminal.quoted(run.modelPath))")
    return run
  }

  private func origin(of epoch: EpochRecord, _ run: FineTuningRun) -> String {
    let text = "model.onnx: the weights after epoch \(epoch.epoch) of phase \(epoch.phase)"
    guard let loss = epoch.validationLoss else { return text + ", the last one" }
    return text + String(printf: ", with the smallest validation loss (%.4f)", loss)
  }

  private func search(
    _ recipe: Recipe, _ data: DatasetSplit, _ options: FineTuningRun.Options,
    _ interruption: Interruption
  ) throws {
    let search = try LearningRateSearch(
      recipe, data: data, folder: output, observers: [TrainingProgress(interruption)],
      options: options,
      remark: notes.print)
    guard let range = try search.run() else {
      throw ExitStatus(code: 130)
    }
    try print("\(range.points.count) learning rates: \(search.csvPath), \(search.chartPath)")
    guard let suggestion = range.suggestion else {
      try print("The loss does not fall with any of them; check the data, and what is trained.")
      return
    }
    // The other phases keep theirs: a single rate would apply to all.
    let rates =
      [String(printf: "%.1e", suggestion)] + recipe.phases.dropFirst().map { "\($0.learningRate)" }
    try print(
      "suggestion: --learning-rate \(rates.joined(separator: ",")), "
        + "a tenth of the rate with the smallest loss"
    )
  }
}

/// Prints each note once, since all folds of a cross-validation have the same.
private final class Notes {
  nonisolated(unsafe) static let shared = Notes()
  private var said: Set<String> = []

  func print(_ text: String) {
    if said.insert(text).inserted { CommandLineProgram.note(text) }
  }
}
