import GraftData
import GraftRuntime
import GraftTraining
import GraftVision

/// A network that names what is in a picture.
package final class Classifier {
  /// What the user may say differently from the model's metadata.
  package struct Options: Sendable {
    package var scheme: Preprocessing.Scheme?
    /// Outer `nil`: as the model has it; inner `nil`: not at all.
    package var resize: ResizeRule??
    package var crop: PictureSize??
    package var interpolation: Interpolation?
    package var labels: Labels?
    package var executable = Executable.Options()

    package init() {}
  }

  /// Remarks about what was assumed, for people.
  package private(set) var remarks: [String] = []
  package let labels: Labels?
  package let preprocessing: Preprocessing
  private let preprocessor: Preprocessor
  private let session: Session
  private let inputType: ElementType
  /// Whether the model's batch is 1.
  package let takesOneImage: Bool
  /// How many classes there are, if the model says so.
  private let classCount: Int?
  /// How large pictures are in the input; `nil` if each keeps its own size.
  package let pictureSize: PictureSize?

  /// - Throws: `GraftError` if the graph does not take one picture, or something does not fit together.
  package init(_ model: LoadedModel, options: Options = Options()) throws {
    let graph = model.graph
    guard graph.inputs.count == 1, let type = graph[graph.inputs[0]].type?.tensor,
      let shape = type.shape, shape.count == 4
    else {
      throw GraftError.badData(
        "the model takes no single picture: its inputs are "
          + graph.inputs.map { "\(graph[$0].name): \(graph[$0].type?.description ?? "unknown")" }
          .listed(),
        hint: "`graft run` runs any model on tensors")
    }
    let input = try PictureInput(shape)
    inputType = type.elementType
    classCount = graph.outputs.first.flatMap { graph[$0].type?.tensor?.shape?.last?.known }
    var described = try Preprocessing(metadata: graph.metadata)
    if let scheme = options.scheme, scheme != described?.scheme {
      described = Preprocessing(scheme)
    }
    if described == nil {
      described = Preprocessing(input.likelyScheme)
      remarks.append(
        "the model does not say how pictures are prepared; assuming '\(input.likelyScheme.rawValue)'"
          + " (--preprocess NAME changes that)")
    }
    if !graph.trainingModeNodes.isEmpty {
      remarks.append(
        "the model was exported in training mode: its answers depend on the images that share a batch, or on "
          + "chance; export it in inference mode (training_mode = 0)")
    }
    takesOneImage = shape[0] == 1
    preprocessing = input.adapt(described!, options)
    pictureSize = preprocessing.fixedSize
    preprocessor = try Preprocessor(preprocessing)
    let output = graph.outputs.first.flatMap { graph[$0].type?.tensor?.shape }
    labels =
      options.labels
      ?? Labels(metadata: graph.metadata, classCount: output.flatMap { $0.last?.known })
    session = Session(try model.executable(options.executable))
  }

  /// Checks the classifier against pictures whose classes are known.
  ///
  /// - Throws: `GraftError` if its classes are not those of the data, or a picture cannot be read.
  package func evaluate(
    _ items: [PictureDataset.Item], classNames: [String], batchSize: Int
  ) throws -> EvaluationResult {
    let (names, positions) = try match(classNames)
    let items = items.map { item in
      var item = item
      item.label = positions[item.label]
      return item
    }
    let evaluator = try Evaluator(
      session, classNames: names, items: items, preprocessing: preprocessing,
      elementType: inputType, batchSize: takesOneImage ? 1 : batchSize)
    return try evaluator.evaluate {
      try Ranking.probabilities(ofClasses: $0, labels: Labels(names: names))
    }
  }

  /// The model's classes, and where each class of the data stands among them.
  private func match(_ classNames: [String]) throws -> (names: [String], positions: [Int]) {
    guard let labels else {
      // The model's classes are numbers, and so may those of the data be, which need not have all.
      let numbers = classNames.compactMap { Int($0) }
      if let classCount, numbers.count == classNames.count, classNames.count < classCount,
        numbers.allSatisfy((0..<classCount).contains)
      {
        return ((0..<classCount).map(String.init), numbers)
      }
      return (classNames, Array(classNames.indices))
    }
    let positions = classNames.map { labels.names.firstIndex(of: $0) }
    if positions.allSatisfy({ $0 != nil }) { return (labels.names, positions.compactMap { $0 }) }
    guard let missing = zip(classNames, positions).first(where: { $1 == nil })?.0 else {
      return (labels.names, [])
    }
    throw GraftError.badData(
      "the model does not know the class '\(missing)' of the data",
      hint: nearestNamesHint(missing, among: labels.names)
        ?? "It knows \(labels.names.listed())")
  }

  /// Keeps the compiled form of the model for later starts; call it after a picture was classified.
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

  /// The most probable classes, the first first.
  package func predictions(for image: Image, count: Int) throws -> [Prediction] {
    let picture = try preprocessor.tensor(for: image)
    var input = picture
    if inputType != .float {
      input = try Tensor(zeros: inputType, shape: picture.shape)
      try ElementConversion.convert(
        picture.baseAddress, .float, to: input.baseAddress, inputType, count: picture.elementCount)
    }
    guard let output = try session.run([input]).first else {
      throw GraftError.badData("the model has no outputs")
    }
    return try Ranking.predictions(output, count: count, labels: labels)[0]
  }
}

/// How a model's input takes a picture.
struct PictureInput {
  let layout: Preprocessing.Layout
  let channelCount: Int
  /// `nil` if the model leaves it open.
  var size: PictureSize?

  init(_ shape: [Dimension]) throws {
    func isChannels(_ dimension: Dimension) -> Bool { dimension == 1 || dimension == 3 }
    let height: Dimension
    let width: Dimension
    if isChannels(shape[1]) || !isChannels(shape[3]) {
      layout = .channelsFirst
      channelCount = shape[1].known ?? 3
      (height, width) = (shape[2], shape[3])
    } else {
      layout = .channelsLast
      channelCount = shape[3].known ?? 3
      (height, width) = (shape[1], shape[2])
    }
    guard channelCount == 1 || channelCount == 3 else {
      throw GraftError.badData("the model takes \(channelCount) channels; pictures have 1 or 3")
    }
    if let height = height.known, let width = width.known {
      size = PictureSize(width: width, height: height)
    } else {
      size = nil
    }
  }

  /// How pictures are prepared for most such networks.
  var likelyScheme: Preprocessing.Scheme { channelCount == 1 ? .unit : .torch }

  /// Preprocessing for this input: what the user said, else the model, else made to fit.
  func adapt(_ described: Preprocessing, _ options: Classifier.Options) -> Preprocessing {
    var result = described
    result.layout = layout
    result.channelCount = channelCount
    if let interpolation = options.interpolation { result.interpolation = interpolation }
    if let resize = options.resize { result.resize = resize }
    if let crop = options.crop { result.crop = crop }
    let isSaid = options.resize != nil || options.crop != nil
    guard let size, !isSaid else { return result }
    if case .shorter(let side) = result.resize, let crop = result.crop, crop != size {
      // The same margin around the crop as the scheme has at its own size.
      let scale = Double(min(size.width, size.height)) / Double(min(crop.width, crop.height))
      result.resize = .shorter(Int((Double(side) * scale).rounded()))
      result.crop = size
    } else if result.crop == nil {
      result.resize = .exact(size)
    }
    return result
  }
}
