import ArgumentParser
import Graft
import GraftFiles
import GraftGraph
import GraftModels
import GraftOperators
import GraftRuntime
import GraftVision

/// `infer` and `graft infer`: classifies images.
package struct InferCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "infer",
    abstract: "Classify images.",
    discussion: """
      Images are JPEG, PNG, WebP, BMP, PNM, GIF, TIFF, JPEG 2000, HEIC or AVIF files, \
      folders of them, or - for standard input. The model determines how images are \
      prepared; options override it.

      Without --model, a small built-in network answers. It knows the \
      ten classes of CIFAR-10: airplane, automobile, bird, cat, deer, dog, frog, \
      horse, ship and truck. For an image unlike these, the answer is none of them.

      Examples:
        infer cat.jpg
        infer cat.jpg --model vgg16
        infer photos/ --model model.onnx --json
        infer cat.jpg --model squeezenet.onnx --preprocess keras-caffe \\
          --resize shorter:256 --crop 224 --interpolation bilinear
      """,
    version: GraftVersion.current)

  package static var _errorPrefix: String { CommandLineProgram.errorPrefix }

  @Argument(help: "Images and folders of images; - for standard input.")
  var images: [String]

  @Option(
    help: """
      A name from `graft models list`, an ONNX file, or Keras weights (default: \
      \(EmbeddedModel.name)).
      """)
  var model: String?

  @Option(help: "Weights to use instead of the official ones of a named model.")
  var weights: String?

  @OptionGroup var image: ImageOptions

  @Option(help: "The number of classes to show.")
  var topK = 5

  @Flag(help: "Print one JSON object per image, one per line.")
  var json = false

  @OptionGroup var settings: RunOptions

  package init() {}

  package func validate() throws {
    guard topK > 0 else { throw ValidationError("--top-k must be at least 1.") }
  }

  package func run() throws {
    let files = try ImageFiles.expand(images)
    let classifier = try makeClassifier(forOneImage: files.count == 1)
    for remark in classifier.remarks { CommandLineProgram.note("\(remark)") }

    var firstFailure: GraftError?
    for file in files {
      let answer: String
      do {
        answer = try self.answer(file, classifier)
      } catch let error as GraftError {
        CommandLineProgram.report(error)
        firstFailure = firstFailure ?? error
        continue
      }
      try print(answer)
    }
    // The answer comes first, and a cache that cannot be written does not affect it.
    try? classifier.storeCompiledForm()
    if let firstFailure { throw ExitStatus(code: firstFailure.code.rawValue) }
  }

  private func answer(_ file: String, _ classifier: Classifier) throws -> String {
    let image = try classifier.image(at: file)
    let name = InputFile.displayName(of: file)
    let found = try withPlace(name) { try classifier.classification(of: image, count: topK) }
    return json
      ? try JSONText.encode(Answer(file, found))
      : PredictionText.text(name, found, classNames: classifier.labels?.names)
  }

  /// A function of its own, so that the imported graph is released on return.
  private func makeClassifier(forOneImage isOne: Bool) throws -> Classifier {
    var executable = settings.executableOptions
    executable.releasesConstants = isOne
    let name = model ?? EmbeddedModel.name
    // The interpretation of a name only matters to a user who named a model.
    let remark = { (text: String) in if model != nil { CommandLineProgram.note(text) } }
    let loaded = try ModelLoader(weights: weights, remark: remark).load(
      name, batch: .freeForImages, cache: settings.compute.cache, options: executable)
    var options = try image.classifierOptions()
    options.executable = executable
    return try withPlace(name) { try Classifier(loaded, options: options) }
  }

  private struct Answer: Encodable {
    let file: String
    let predictions: [Prediction]
    /// Omitted if the model cannot tell.
    let inDistribution: Bool?
    let inDistributionScore: Float?

    init(_ file: String, _ found: Classification) {
      self.file = file
      predictions = found.predictions
      inDistribution = found.isInDistribution
      inDistributionScore = found.inDistributionScore
    }

    private enum CodingKeys: String, CodingKey {
      case file, predictions
      case inDistribution = "in_distribution"
      case inDistributionScore = "in_distribution_score"
    }
  }
}

/// Options for converting images to a network's input.
struct ImageOptions: ParsableArguments {
  @Option(
    help: """
      Labels: a file with one name per line, JSON, or imagenet for its 1,000 classes \
      (default: the model's own).
      """)
  var labels: String?

  @Option(
    help: """
      keras-caffe, keras-tf, torch, unit or none, which keeps samples from 0 to 255, e.g. for \
      integer inputs (default: the model's own, or else a guess, with a note).
      """)
  var preprocess: String?

  @Option(help: "224 (both sides), 320x240, shorter:256, or none (default: the model's own).")
  var resize: String?

  @Option(
    help: """
      224, 320x240 or none: the central crop after resizing (default: the model's own, limited \
      by --resize).
      """)
  var crop: String?

  @Option(help: "nearest, bilinear, bicubic or tf-bilinear (default: the model's own).")
  var interpolation: String?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Use images as stored, like Keras, instead of rotating them upright (default: like the \
      model, otherwise upright).
      """)
  var ignoreOrientation: Bool?

  @Option(
    help: ArgumentHelp(
      """
      The kind of output: logits, probabilities, or sigmoid (logits of independent classes) \
      (default: from the model's metadata, or else from its last layer).
      """,
      valueName: "logits|probabilities|sigmoid"))
  var scores: Scores?

  /// Whether no option was given.
  var isEmpty: Bool {
    [labels, preprocess, resize, crop, interpolation].allSatisfy { $0 == nil }
      && ignoreOrientation == nil && scores == nil
  }

  func classifierOptions() throws -> Classifier.Options {
    var options = Classifier.Options()
    options.preparation.scheme = try preprocess.map { try Preprocessing.Scheme(named: $0) }
    options.preparation.resize = try resize.map { try Preprocessing.parseResize($0) }
    options.preparation.crop = try crop.map { try Preprocessing.parseCrop($0) }
    options.preparation.interpolation = try interpolation.map { try Interpolation(named: $0) }
    options.preparation.appliesOrientation = ignoreOrientation.map { !$0 }
    options.labels = try labels.map { try Labels.named($0) }
    options.scores = scores
    return options
  }

  /// Writes the options for images, labels and scores into the metadata of the graph from `source`.
  ///
  /// - Throws: `GraftError` if the number of labels differs from that of the graph's classes, or an
  ///   option is invalid
  func describe(_ graph: inout Graph, of source: String) throws {
    let options = try classifierOptions()
    try withPlace(source) { try describe(&graph, options) }
  }

  private func describe(_ graph: inout Graph, _ options: Classifier.Options) throws {
    if let labels = options.labels {
      var typed = graph
      try typed.inferTypes()
      if let count = typed.scoreCount { try labels.check(classCount: count) }
      graph.metadata[Labels.metadataKey] = labels.metadataValue
    }
    if let scores = options.scores { graph.metadata[Scores.metadataKey] = scores.rawValue }
    guard options.preparation != Preprocessing.Choices() else { return }
    guard
      let preprocessing = try Preprocessing(
        metadata: graph.metadata, choices: options.preparation)
    else {
      throw GraftError.usage(
        "the model does not define how to prepare images", hint: "Use --preprocess NAME")
    }
    graph.metadata.merge(preprocessing.metadata) { $1 }
  }
}

extension Graph {
  /// - Throws: `GraftError` if the metadata of labels, scores, preprocessing or in-distribution
  ///   detection are invalid, or the numbers of labels and classes differ
  func checkDescription() throws {
    _ = try Labels(metadata: metadata, classCount: scoreCount)
    _ = try Scores(metadata: metadata)
    _ = try Preprocessing(metadata: metadata)
    _ = try InDistributionRule(self)
  }
}

extension Scores: ExpressibleByArgument {}
