import GraftFiles
import GraftGraph
import GraftTensor
import GraftVision

/// The model's input for images.
struct ImageInput {
  let elementType: ElementType
  let layout: Preprocessing.Layout
  let channelCount: Int
  /// Whether the model's batch is 1.
  let takesOneImage: Bool
  /// `nil` if the model does not define it.
  var size: ImageSize?

  /// - Throws: `GraftError` if the graph does not take one image `[N, C, H, W]` or `[N, H, W, C]`
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
      size = ImageSize(width: width, height: height)
    } else {
      size = nil
    }
    elementType = type.elementType
    takesOneImage = shape[0] == 1
  }

  /// The preprocessing for this input: from the user, else from the model, else that of most such
  /// networks, adapted to the input.
  ///
  /// - Parameter assume: receives the scheme if it is an assumption
  /// - Throws: `GraftError` if the input's type cannot represent the scheme's values, or metadata
  ///   or choices are invalid
  func preprocessing(
    of graph: Graph, _ choices: Preprocessing.Choices, assume: (Preprocessing.Scheme) -> Void
  ) throws -> Preprocessing {
    let described = try Preprocessing(metadata: graph.metadata, choices: choices)
    var result = described ?? Preprocessing(likelyScheme)
    try result.apply(choices)
    try check(result.scheme)
    if described == nil { assume(result.scheme) }
    result.layout = layout
    result.channelCount = channelCount
    if choices.resize == nil, choices.crop == nil { fit(&result) }
    return result
  }

  /// The preprocessing of most such networks.
  private var likelyScheme: Preprocessing.Scheme {
    if !elementType.isFloatingPoint { return .none }
    return channelCount == 1 ? .unit : .torch
  }

  /// - Throws: `GraftError` if the scheme's values do not suit the input's type
  private func check(_ scheme: Preprocessing.Scheme) throws {
    if elementType.isFloatingPoint { return }
    guard ImageInput.sampleTypes.contains(elementType) else {
      throw GraftError.unsupported(
        "the model's input is \(elementType), which cannot represent image samples (0 to 255)",
        hint: "`graft run` runs any model on tensors")
    }
    guard scheme == .none else {
      throw GraftError.usage(
        "the model's input is \(elementType), and preprocessing '\(scheme.rawValue)' gives values "
          + "other than integers from 0 to 255",
        hint:
          "Use --preprocess \(Preprocessing.Scheme.none.rawValue), which keeps samples unchanged")
    }
  }

  /// Integer types with the range 0 to 255.
  private static let sampleTypes: Set<ElementType> = [
    .uint8, .int16, .uint16, .int32, .uint32, .int64, .uint64,
  ]

  /// Adapts the sizes to those of the input, if it has any.
  private func fit(_ preprocessing: inout Preprocessing) {
    guard let size else { return }
    if case .shorter(let side) = preprocessing.resize, let crop = preprocessing.crop, crop != size {
      // Scales the crop's margin with the size.
      let scale = Double(min(size.width, size.height)) / Double(min(crop.width, crop.height))
      preprocessing.resize = .shorter(Int((Double(side) * scale).rounded()))
      preprocessing.crop = size
    } else if preprocessing.crop == nil {
      preprocessing.resize = .exact(size)
    }
  }
}
