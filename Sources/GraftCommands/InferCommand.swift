import ArgumentParser
import Foundation
import Graft
import GraftFiles
import GraftGraph
import GraftModels
import GraftVision

/// `infer` and `graft infer`: what is in an image.
package struct InferCommand: ParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "infer",
    abstract: "Say what is in images.",
    discussion: """
      Images are JPEG, PNG, WebP, BMP or PNM files, folders of them, or - for standard \
      input. How images are prepared is part of the model; options override it.

      Without --model a small network that is part of Graft answers. It knows the \
      ten classes of CIFAR-10: airplane, automobile, bird, cat, deer, dog, frog, \
      horse, ship and truck. An image unlike these is said to be none of them.

      Examples:
        infer cat.jpg
        infer cat.jpg --model vgg16
        infer photos/ --model model.onnx --json
        infer cat.jpg --model squeezenet.onnx --preprocess keras-caffe \\
          --resize shorter:256 --crop 224 --interpolation bilinear
      """,
    version: GraftVersion.current)

  package static var _errorPrefix: String { CommandLineProgram.errorPrefix }

  @Argument(help: "Images and folders of images; - is standard input.")
  var images: [String]

  @Option(
    help: """
      A name from `graft models list`, an ONNX file, or Keras weights (default: \(EmbeddedModel.name)).
      """)
  var model: String?

  @Option(help: "Weights to use instead of the official ones of a named model.")
  var weights: String?

  @OptionGroup var image: ImageOptions

  @Option(help: "How many classes to show.")
  var topK = 5

  @Flag(help: "Print one JSON object per image and line.")
  var json = false

  @OptionGroup var compute: ComputeOptions

  package init() {}

  package func validate() throws {
    guard topK > 0 else { throw ValidationError("--top-k takes a number from 1.") }
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
    // The answer does not wait for that, and a cache that cannot be written is no fault of it.
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

  /// The graph as it was read is gone when this returns: what it takes is not needed any more.
  private func makeClassifier(forOneImage isOne: Bool) throws -> Classifier {
    var executable = compute.executableOptions
    executable.releasesConstants = isOne
    let name = model ?? EmbeddedModel.name
    // How a name is understood matters to those who gave one.
    let remark = { (text: String) in if model != nil { CommandLineProgram.note(text) } }
    let loaded = try ModelLoader(weights: weights, remark: remark).load(
      name, batch: .freeForImages, cache: compute.cache, options: executable)
    var options = try image.classifierOptions()
    options.executable = executable
    return try withPlace(name) { try Classifier(loaded, options: options) }
  }

  private struct Answer: Encodable {
    let file: String
    let predictions: [Prediction]
    /// Left out if the model cannot tell.
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

/// Options that say how images become a network's input.
struct ImageOptions: ParsableArguments {
  @Option(
    help:
      "Labels: a file of one name per line, JSON, or imagenet for its 1,000 classes (default: the model's own)."
  )
  var labels: String?

  @Option(
    help: """
      keras-caffe, keras-tf, torch, unit or none, which gives samples from 0 to 255, as integer inputs take \
      (default: the model's own, else a guess, with a note).
      """)
  var preprocess: String?

  @Option(help: "224 (both sides), 320x240, shorter:256, or none (default: the model's own).")
  var resize: String?

  @Option(
    help:
      "224, 320x240 or none: the middle that is cut out after resizing (default: the model's own, or as much of it as --resize leaves)."
  )
  var crop: String?

  @Option(help: "nearest, bilinear, bicubic or tf-bilinear (default: the model's own).")
  var interpolation: String?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Leave images as they are stored, as Keras does, instead of turning them upright (default: as the model has \
      it, else upright).
      """)
  var ignoreOrientation: Bool?

  @Option(
    help: ArgumentHelp(
      "What the output is: logits, probabilities, or sigmoid (logits of classes that do not exclude each other) (default: what the model says, else what its last layer tells).",
      valueName: "logits|probabilities|sigmoid"))
  var scores: Scores?

  /// Whether none of them was given.
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

  /// Writes what the user said about images, labels and scores into the metadata of the graph that is read from `source`.
  ///
  /// - Throws: `GraftError` if the labels are not as many as the graph's classes, or an option makes no sense.
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
        "the model does not say how images are prepared", hint: "Say it with --preprocess NAME")
    }
    graph.metadata.merge(preprocessing.metadata) { $1 }
  }
}

extension Graph {
  /// - Throws: `GraftError` if what the metadata say of labels, scores, preparing images or telling apart those like
  ///   none of the classes makes no sense, or there are other numbers of labels and classes.
  func checkDescription() throws {
    _ = try Labels(metadata: metadata, classCount: scoreCount)
    _ = try Scores(metadata: metadata)
    _ = try Preprocessing(metadata: metadata)
    _ = try InDistributionRule(self)
  }
}

extension Scores: ExpressibleByArgument {}
