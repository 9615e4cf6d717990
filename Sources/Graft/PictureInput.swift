import GraftRuntime
import GraftVision

/// How a model's input takes an image.
struct PictureInput {
  let elementType: ElementType
  let layout: Preprocessing.Layout
  let channelCount: Int
  /// Whether the model's batch is 1.
  let takesOneImage: Bool
  /// `nil` if the model leaves it open.
  var size: PictureSize?

  /// What the user may say of the preparation of images.
  struct Choices {
    var scheme: Preprocessing.Scheme?
    /// Outer `nil`: as the model has it; inner `nil`: not at all.
    var resize: ResizeRule??
    var crop: PictureSize??
    var interpolation: Interpolation?
    var appliesOrientation: Bool?
  }

  /// - Throws: `GraftError` if the graph does not take one image `[N, C, H, W]` or `[N, H, W, C]`.
  init(_ graph: Graph) throws {
    guard graph.inputs.count == 1, let type = graph[graph.inputs[0]].type?.tensor,
      let shape = type.shape, shape.count == 4
    else {
      throw GraftError.badData(
        "the model does not take a single image: its inputs are "
          + graph.inputs.map { "\(graph[$0].name): \(graph[$0].type?.description ?? "unknown")" }
          .listed(),
        hint: "`graft run` runs any model on tensors")
    }
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
      throw GraftError.badData("the model takes \(channelCount) channels; images have 1 or 3")
    }
    if let height = height.known, let width = width.known {
      size = PictureSize(width: width, height: height)
    } else {
      size = nil
    }
    elementType = type.elementType
    takesOneImage = shape[0] == 1
  }

  /// Preprocessing for this input: what the user said, else the model, else what most such networks expect; made to
  /// fit.
  ///
  /// - Parameter assume: told the scheme if nobody said one
  /// - Throws: `GraftError` if the input's type cannot hold what the scheme makes.
  func preprocessing(
    of graph: Graph, _ choices: Choices, assume: (Preprocessing.Scheme) -> Void
  ) throws -> Preprocessing {
    var described = try Preprocessing(metadata: graph.metadata, scheme: choices.scheme)
    if let scheme = choices.scheme {
      described = described?.replacing(scheme: scheme) ?? Preprocessing(scheme)
    }
    let result = described ?? Preprocessing(likelyScheme)
    try check(result.scheme)
    if described == nil { assume(result.scheme) }
    return adapt(result, choices)
  }

  /// How images are prepared for most such networks.
  private var likelyScheme: Preprocessing.Scheme {
    if !elementType.isFloatingPoint { return .none }
    return channelCount == 1 ? .unit : .torch
  }

  /// - Throws: `GraftError` if numbers of the scheme cannot be those that the input means.
  private func check(_ scheme: Preprocessing.Scheme) throws {
    if elementType.isFloatingPoint { return }
    guard PictureInput.sampleTypes.contains(elementType) else {
      throw GraftError.unsupported(
        "the model's input is \(elementType), which does not hold the samples of images (0 to 255)",
        hint: "`graft run` runs any model on tensors")
    }
    guard scheme == .none else {
      throw GraftError.usage(
        "the model's input is \(elementType), and preprocessing '\(scheme.rawValue)' makes other "
          + "numbers than whole ones from 0 to 255",
        hint:
          "Use --preprocess \(Preprocessing.Scheme.none.rawValue), which gives samples as they are")
    }
  }

  /// Whole numbers that reach from 0 to 255.
  private static let sampleTypes: Set<ElementType> = [
    .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64,
  ]

  private func adapt(_ described: Preprocessing, _ choices: Choices) -> Preprocessing {
    var result = described
    result.layout = layout
    result.channelCount = channelCount
    if let interpolation = choices.interpolation { result.interpolation = interpolation }
    if let resize = choices.resize { result.resize = resize }
    if let crop = choices.crop { result.crop = crop }
    if let applies = choices.appliesOrientation { result.appliesOrientation = applies }
    let isSaid = choices.resize != nil || choices.crop != nil
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
