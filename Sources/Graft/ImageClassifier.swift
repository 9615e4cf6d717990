import GraftData
import GraftExecution
import GraftRuntime

/// Classifies images with any network that Graft can read.
///
///     let classifier = try ImageClassifier(model: "vgg16")
///     for prediction in try classifier.predictions(forImageAt: "cat.jpg") {
///       print(prediction.label ?? "class \(prediction.index)", prediction.probability)
///     }
///
/// Images are prepared as the model's metadata say. Not thread-safe; use one classifier per thread.
public final class ImageClassifier {
  private let classifier: Classifier

  /// Reads a model: input `[N, C, H, W]` or `[N, H, W, C]`, first output `[N, classes]`.
  ///
  /// - Parameters:
  ///   - model: the path of an ONNX file or of Keras HDF5 weights of a known architecture, or a
  ///     name from `graft models list`
  ///   - weights: a weight file to use instead of the official one of a named model
  ///   - labels: a file with one name per line, or JSON, or `imagenet` for its 1,000 classes; by
  ///     default the model's own
  /// - Throws: an error whose description says what is wrong, where, and what to do
  public init(model: String, weights: String? = nil, labels: String? = nil) throws {
    var options = Classifier.Options()
    options.executable.tuning = TuningFile.standard()?.read() ?? TuningRecord()
    let model = try ModelLoader(weights: weights).load(
      model, batch: .freeForImages, cache: ModelCache.standard(), options: options.executable)
    options.labels = try labels.map { try Labels.named($0) }
    classifier = try Classifier(model, options: options)
  }

  /// The most probable classes of an image file, in descending order.
  ///
  /// - Parameter count: the largest number of classes
  /// - Throws: an error that says why the image cannot be read or does not match the model
  public func predictions(forImageAt path: String, count: Int = 5) throws -> [Prediction] {
    try classification(forImageAt: path, count: count).predictions
  }

  /// Like ``predictions(forImageAt:count:)``, and whether the image shows any of the classes, if
  /// the model can tell.
  public func classification(forImageAt path: String, count: Int = 5) throws -> Classification {
    let classification = try classifier.classification(
      of: classifier.image(at: path), count: count)
    classifier.storeCompiledFormBeside()
    return classification
  }

  /// Evaluates the classifier on labelled images: on the data's test images, or on all if there are
  /// none.
  ///
  /// - Parameters:
  ///   - data: a folder with a folder of images for each class, or any other form that `graft
  ///     finetune` accepts
  ///   - maximumBad: the number of unreadable images to tolerate
  /// - Throws: an error that says why images cannot be read, or how their classes differ from the
  ///   model's
  public func evaluate(data: String, maximumBad: Int = 100) throws -> Evaluation {
    let threads = Executable.Options().threadCount
    let (dataset, _) = try ImageDataset.open(data, for: .evaluation).checked(
      .pixels, maximumBad: maximumBad, threads: threads)
    return Evaluation(
      try classifier.evaluate(
        dataset.testItems.isEmpty ? dataset.items : dataset.testItems,
        classNames: dataset.classNames, batchSize: 32))
  }
}
