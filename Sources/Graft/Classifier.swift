import GraftData
import GraftExecution
import GraftFiles
import GraftRuntime
import GraftTensor
import GraftTraining
import GraftVision

/// A network that names what is in an image.
package final class Classifier {
  /// What the user may say differently from the model's metadata.
  package struct Options: Sendable {
    package var preparation = Preprocessing.Choices()
    package var labels: Labels?
    package var scores: Scores?
    package var executable = Executable.Options()

    package init() {}
  }

  /// Remarks about what was assumed, for people.
  package private(set) var remarks: [String] = []
  package let labels: Labels?
  package let preprocessing: Preprocessing
  /// What the output is; `nil` if its values tell.
  private let scores: Scores?
  private let inDistributionRule: InDistributionRule?
  private let preprocessor: Preprocessor
  private let session: Session
  private let inputType: ElementType
  /// `nil` if the graph leaves it open.
  private let classCount: Int?
  /// Whether the model's batch is 1.
  package let takesOneImage: Bool
  /// How large images are in the input; `nil` if each keeps its own size.
  package let imageSize: ImageSize?

  /// - Throws: `GraftError` if the graph does not take one image, or something does not fit together.
  package init(_ model: LoadedModel, options: Options = Options()) throws {
    let graph = model.graph
    let input = try ImageInput(graph)
    try graph.requireOutputOfClassifier()
    inDistributionRule = try InDistributionRule(graph)
    inputType = input.elementType
    var remarks: [String] = []
    preprocessing = try input.preprocessing(of: graph, options.preparation) { scheme in
      remarks.append(
        "the model does not say how images are prepared; assuming '\(scheme.rawValue)'"
          + " (--preprocess NAME changes that)")
    }
    if !graph.trainingModeNodes.isEmpty {
      remarks.append(
        "the model was exported in training mode: its answers depend on the images that share a batch, or on "
          + "chance; export it in inference mode (training_mode = 0)")
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
    self.remarks = remarks
  }

  /// Checks the classifier against images whose classes are known.
  ///
  /// - Throws: `GraftError` if its classes are not those of the data, or an image cannot be read.
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
          // Whether the classes mean anything is not known: that is no answer.
          probabilities[image] = probabilities[image].map { _ in .nan }
          return false
        }
      }
      return (probabilities, accepted)
    }
  }

  /// The model's classes, and where each class of the data stands among them.
  private func match(_ classNames: [String]) throws -> (labels: Labels, positions: [Int]) {
    guard let labels = labels ?? impliedLabels(classNames) else {
      // The model's classes are numbers, and so may those of the data be, which need not have all.
      let numbers = classNames.compactMap { Int($0) }
      if let classCount, numbers.count == classNames.count, classNames.count < classCount,
        numbers.allSatisfy((0..<classCount).contains)
      {
        return (Labels(names: (0..<classCount).map { String($0) }), numbers)
      }
      let ofData = Labels(names: classNames, areOfData: true)
      // Where the graph leaves it open, the output tells.
      if let classCount { try ofData.check(classCount: classCount) }
      return (ofData, Array(classNames.indices))
    }
    let positions = labels.positions(of: classNames)
    if let missing = zip(classNames, positions).first(where: { $1 == nil })?.0 {
      throw GraftError.badData(
        "the model does not know the class '\(missing)' of the data",
        hint: nearestNamesHint(missing, among: labels.names)
          ?? "It knows \(labels.names.listed())")
    }
    return (labels, positions.compactMap { $0 })
  }

  /// ImageNet's labels, where a network without labels has as many classes and the data have ImageNet's folders.
  private func impliedLabels(_ classNames: [String]) -> Labels? {
    guard let count = classCount, count == Labels.imageNet.names.count,
      !Labels.imageNet.positions(of: classNames).contains(nil)
    else { return nil }
    return .imageNet
  }

  /// Keeps the compiled form of the model for later starts; call it after an image was classified.
  ///
  /// - Throws: `GraftError` if the cache cannot be written.
  package func storeCompiledForm() throws { try session.executable.storeCompiledForm() }

  private var hasStored = false

  /// As ``storeCompiledForm()``, the first time it is called, while the caller goes on.
  func storeCompiledFormBeside() {
    guard !hasStored else { return }
    hasStored = true
    session.executable.storeCompiledFormBeside()
  }

  /// The image of a file, or of standard input if `path` is `-`, as the model's preparation turns it.
  package func image(at path: String) throws -> Image {
    try Image.read(path, applyingOrientation: preprocessing.appliesOrientation)
  }

  /// The most probable classes, and whether the image shows any of them.
  ///
  /// - Parameter count: how many classes at most
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
  /// What the output is; `nil` if its values tell.
  fileprivate var scores: Scores? {
    switch self {
    case .distribution, .probabilities: .probabilities
    case .linear: .logits
    case .unknown: nil
    }
  }

  /// What is assumed without knowing it.
  fileprivate func remark(isOneScore: Bool) -> String? {
    switch self {
    case .distribution, .probabilities: nil
    case .linear where isOneScore, .unknown where isOneScore:
      "the model's one score is taken as the logit of the second class (--scores changes that)"
    case .linear:
      "the model's output is taken as logits, of which softmax makes probabilities "
        + "(--scores changes that)"
    case .unknown:
      "the model's output is taken as probabilities where they add up to 1, and else as logits "
        + "(--scores changes that)"
    }
  }
}
