import GraftData
import GraftRuntime
import GraftTraining

/// Puts a new head on a trained network and trains it on your images. The run's folder contains
/// everything: recipe, log, checkpoints, report, and finally `model.onnx`.
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
/// The features of each image from a frozen part of the network are cached for later runs, in the
/// folder `GRAFT_HOME` within the limit `GRAFT_CACHE_LIMIT`.
///
/// Not thread-safe. `examples/FineTuning` is an example program.
public final class FineTuning {
  private let run: FineTuningRun

  /// Reads network and images, without training.
  ///
  /// - Parameters:
  ///   - data: a folder with a folder of images for each class, or any other form that `graft
  ///     finetune` accepts
  ///   - output: the folder of the run
  ///   - resumes: whether to continue the run in the folder, which must have the same recipe
  ///   - maximumBad: the number of unreadable images to tolerate
  /// - Throws: an error whose description says what does not match, and what to do
  public init(
    _ recipe: FineTuningRecipe, data: String, output: String, resumes: Bool = false,
    maximumBad: Int = 100
  ) throws {
    try recipe.recipe.validate()
    let (dataset, _) = try ImageDataset.open(data).checked(
      .pixels, maximumBad: maximumBad, threads: FineTuner.Options().executable.threadCount)
    var options = FineTuningRun.Options()
    options.resumes = resumes
    options.featureCache = try ModelCache.standard().map { FeatureCache($0) }
    run = try FineTuningRun(recipe.recipe, dataset: dataset, folder: output, options: options)
  }

  /// Trains to the end of the recipe and writes the model.
  ///
  /// - Returns: whether training is finished; false if a callback stopped it, in which case a run
  ///   with `resumes` continues it
  /// - Throws: the error of a callback, or one that says why training failed; the last checkpoint
  ///   remains
  @discardableResult
  public func fit(callbacks: [any TrainingCallback] = []) throws -> Bool {
    let observer = CallbackObserver(callbacks)
    run.observers.append(observer)
    defer { run.observers.removeLast() }
    return try run.run()
  }

  /// The names of the classes.
  public var classNames: [String] { run.data.classNames }

  /// The path of the trained network that ``fit(callbacks:)`` writes: ONNX with class names and
  /// preprocessing.
  public var modelPath: String { run.modelPath }

  /// The results of the trained network on the test images, or else on the validation images; `nil`
  /// before ``fit(callbacks:)`` has finished, and without such images.
  public var evaluation: Evaluation? { run.evaluated.map { Evaluation($0.result) } }
}
