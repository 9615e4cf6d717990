import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftRuntime
import GraftTensor
import GraftTraining
import GraftVision

/// A network that classifies images.
package final class Classifier {
  /// The user's overrides of the model's metadata.
  package struct Options: Sendable {
    package var preparation = Preprocessing.Choices()
    package var labels: Labels?
    package var scores: Scores?
    package var executable = Executable.Options()

    package init() {}
  }

  /// Remarks for the user about assumptions.
  package private(set) var remarks: [String] = []
  package let labels: Labels?
  package let preprocessing: Preprocessing
  /// The meaning of the output; `nil` if its values decide.
  private let scores: Scores?
  private let inDistributionRule: InDistributionRule?
  private let preprocessor: Preprocessor
  private let session: Session
  private let compilation: Compilation?
  private let inputType: ElementType
  /// `nil` if the graph does not define it.
  private let classCount: Int?
  /// Whether the model's batch is 1.
  package let takesOneImage: Bool
  /// The image size of the input; `nil` if each image keeps its own size.
  package let imageSize: ImageSize?

  /// - Throws: `GraftError` if the graph does not take one image, or parts do not match
  package init(_ model: LoadedModel, options: Options = Options()) throws {
    let graph = model.graph
    let input = try ImageInput(graph)
    try graph.requireOutputOfClassifier()
    inDistributionRule = try InDistributionRule(graph)
    inputType = input.elementType
    var remarks: [String] = []
    preprocessing = try input.preprocessing(of: graph, options.preparation) { scheme in
      remarks.append(
        "the model does not define how to prepare images; assuming '\(scheme.rawValue)'"
          + " (override with --preprocess NAME)")
    }
    if !graph.trainingModeNodes.isEmpty {
      remarks.append(
        "the model was exported in training mode: its answers depend on other images in the batch, "
          + "or on chance; export it in inference mode (training_mode = 0)")
    }
    takesOneImage = input.takesOneImage
    imageSize = preprocessing.fixedSize
    preprocessor = try Preprocessor(preprocessing)
    classCount = graph.scoreCount
    labels = try options.labels ?? Labels(metadata: graph.metadata, classCount: classCount)
    if let classCount { try labels?.check(classCount: classCount) }
    if let said = try options.scores ?? Scores(metadata: graph.metadata) {
      scores = said
    } else {
      let end = model.outputEnd
      scores = end.scores
      if let remark = end.remark(isOneScore: classCount == 1) { remarks.append(remark) }
    }
    session = Session(try model.executable(options.executable))
    compilation = model.compilation
    self.remarks = remarks
  }

  /// Evaluates the classifier on labelled images.
  ///
  /// - Throws: `GraftError` if its classes differ from those of the data, or an image cannot be
  ///   read
  package func evaluate(
    _ items: [ImageDataset.Item], classNames: [String], batchSize: Int
  ) throws -> EvaluationResult {
    let (labels, positions) = try match(classNames)
    let items = items.map { item in
      var item = item
      item.label = positions[item.label]
      return item
    }
    let evaluator = try Evaluator(
      session, classNames: labels.names, items: items, preprocessing: preprocessing,
      elementType: inputType, batchSize: takesOneImage ? 1 : batchSize)
    return try evaluator.evaluate { [scores, inDistributionRule] outputs, count in
      var probabilities = try Ranking.probabilities(
        ofClasses: outputs[0], imageCount: count, scores: scores, labels: labels)
      let accepted = try inDistributionRule.map { rule in
        try rule.scores(of: outputs, imageCount: count).enumerated().map { image, score in
          if score.isFinite { return try rule.accepts(score) }
          // Without a usable in-distribution score there is no answer.
          probabilities[image] = probabilities[image].map { _ in .nan }
          return false
        }
      }
      return (probabilities, accepted)
    }
  }

  /// The model's classes, and the positions of the data's classes among them.
  private func match(_ classNames: [String]) throws -> (labels: Labels, positions: [Int]) {
    guard let labels = labels ?? impliedLabels(classNames) else {
      // Numbered classes of the model match numbered classes of the data, which may lack some.
      let numbers = classNames.compactMap { Int($0) }
      if let classCount, numbers.count == classNames.count, classNames.count < classCount,
        numbers.allSatisfy((0..<classCount).contains)
      {
        return (Labels(names: (0..<classCount).map { String($0) }), numbers)
      }
      let ofData = Labels(names: classNames, areOfData: true)
      // If the graph does not define it, the output shows it.
      if let classCount { try ofData.check(classCount: classCount) }
      return (ofData, Array(classNames.indices))
    }
    let positions = labels.positions(of: classNames)
    if let missing = zip(classNames, positions).first(where: { $1 == nil })?.0 {
      throw GraftError.badData(
        "the model does not know the class '\(missing)' of the data",
        hint: nearestNamesHint(missing, among: labels.names)
          ?? "The model's classes are \(labels.names.listed())")
    }
    return (labels, positions.compactMap { $0 })
  }

  /// ImageNet's labels, if an unlabelled network has that many classes and the data have ImageNet's
  /// folders.
  private func impliedLabels(_ classNames: [String]) -> Labels? {
    guard let count = classCount, count == Labels.imageNet.names.count,
      !Labels.imageNet.positions(of: classNames).contains(nil)
    else { return nil }
    return .imageNet
  }

  /// Caches the compiled form of the model for later starts; call it after classifying an image.
  ///
  /// - Throws: `GraftError` if the cache cannot be written
  package func storeCompiledForm() throws { try compilation?.store(session.executable) }

  private var hasStored = false

  /// Like ``storeCompiledForm()``, but in the background and only once.
  func storeCompiledFormBeside() {
    guard !hasStored else { return }
    hasStored = true
    compilation?.storeBeside(session.executable)
  }

  /// The image in a file, or in standard input if `path` is `-`, rotated if the model requires
  /// that.
  package func image(at path: String) throws -> Image {
    try Image.read(path, applyingOrientation: preprocessing.appliesOrientation)
  }

  /// The most probable classes, and whether the image shows any of them.
  ///
  /// - Parameter count: the largest number of classes
  package func classification(of image: Image, count: Int) throws -> Classification {
    let image = try preprocessor.tensor(for: image)
    var input = image
    if inputType != .float {
      input = try Tensor(zeros: inputType, shape: image.shape)
      try ElementConversion.convert(
        image.baseAddress, .float, to: input.baseAddress, inputType, count: image.elementCount)
    }
    let outputs = try session.run([input])
    guard let output = outputs.first else {
      throw GraftError.badData("the model has no outputs")
    }
    let rows = try Ranking.probabilities(
      ofClasses: output, imageCount: 1, scores: scores, labels: labels)
    let predictions = try Ranking.predictions(rows[0], count: count, labels: labels)
    let score = try inDistributionRule?.scores(of: outputs, imageCount: 1)[0]
    return Classification(
      predictions: predictions,
      isInDistribution: try score.flatMap { try inDistributionRule?.accepts($0) },
      inDistributionScore: score)
  }
}

extension OutputEnd {
  /// The meaning of the output; `nil` if its values decide.
  fileprivate var scores: Scores? {
    switch self {
    case .distribution, .probabilities: .probabilities
    case .linear: .logits
    case .unknown: nil
    }
  }

  /// A remark about an assumption, if any.
  fileprivate func remark(isOneScore: Bool) -> String? {
    switch self {
    case .distribution, .probabilities: nil
    case .linear where isOneScore, .unknown where isOneScore:
      "the model's single score is assumed to be the logit of the second class (see --scores)"
    case .linear:
      "the model's output is assumed to be logits, which softmax turns into probabilities "
        + "(see --scores)"
    case .unknown:
      "the model's output is assumed to be probabilities if they add up to 1, otherwise logits "
        + "(see --scores)"
    }
  }
}
