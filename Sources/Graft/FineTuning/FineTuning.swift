import GraftData
import GraftTraining

/// Grafts a new head on a trained network and trains it on images of yours, in a folder that keeps everything: recipe,
/// log, checkpoints, report, and in the end `model.onnx`.
///
///     var recipe = FineTuningRecipe(model: "vgg16")
///     recipe.imageSize = "64"
///     recipe.phases = [
///       .init(epochs: 20, learningRate: 3e-4),
///       .init(unfreeze: "block5", epochs: 5, learningRate: 1e-5),
///     ]
///     let fineTuning = try FineTuning(recipe, data: "pets/", output: "run")
///     try fineTuning.fit()
///     let classifier = try ImageClassifier(model: fineTuning.modelPath)
///
/// What a frozen part of the network makes of each image is kept for later runs, in the cache folder that `GRAFT_HOME` names and
/// `GRAFT_CACHE_LIMIT` limits.
///
/// Not for several threads at once. `examples/FineTuning` is a program that does this.
public final class FineTuning {
  private let run: FineTuningRun

  /// Reads network and images; nothing is trained yet.
  ///
  /// - Parameters:
  ///   - data: a folder with a folder of images for each class, or any other form that `graft finetune` takes
  ///   - output: the folder of the run
  ///   - resumes: whether to go on with the run that the folder holds, which has to have the same recipe
  ///   - maximumBad: unreadable images to put up with
  /// - Throws: an error whose description says what does not go together, and what to do
  public init(
    _ recipe: FineTuningRecipe, data: String, output: String, resumes: Bool = false,
    maximumBad: Int = 100
  ) throws {
    try recipe.recipe.validate()
    let (dataset, _) = try ImageDataset.open(data).checked(
      .pixels, maximumBad: maximumBad, threads: FineTuner.Options().executable.threadCount)
    var options = FineTuningRun.Options()
    options.resumes = resumes
    if let cache = try ModelCache.standard() {
      options.fineTuner.archive = FeatureCache(cache).archive
    }
    run = try FineTuningRun(recipe.recipe, dataset: dataset, folder: output, options: options)
  }

  /// Trains to the end of the recipe and writes the model.
  ///
  /// - Returns: whether it came to the end; false if a callback stopped it. Then a run with `resumes` goes on.
  /// - Throws: an error of a callback, or one that says why training failed; the last checkpoint stays
  @discardableResult
  public func fit(callbacks: [any TrainingCallback] = []) throws -> Bool {
    let observer = CallbackObserver(callbacks)
    run.fineTuner.observers.append(observer)
    defer { run.fineTuner.observers.removeLast() }
    run.fineTuner.isInterrupted = { observer.isStopped }
    return try run.run()
  }

  /// The names of the classes.
  public var classNames: [String] { run.data.classNames }

  /// Where ``fit(callbacks:)`` writes the trained network, as ONNX with its classes and the images' preparation.
  public var modelPath: String { run.modelPath }

  /// How the trained network does on the images set apart for testing, or else for validation; `nil` before
  /// ``fit(callbacks:)`` came to the end, and if there are no such images.
  public var evaluation: Evaluation? { run.evaluated.map { Evaluation($0.result) } }
}
