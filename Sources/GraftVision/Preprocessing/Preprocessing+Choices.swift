import GraftFiles

extension Preprocessing {
  /// The user's choices of preprocessing, which override a model's metadata.
  package struct Choices: Sendable, Hashable {
    package var scheme: Scheme?
    /// Outer `nil`: as in the model; inner `nil`: no resizing.
    package var resize: ResizeRule??
    package var crop: ImageSize??
    package var interpolation: Interpolation?
    package var appliesOrientation: Bool?

    package init(scheme: Scheme? = nil) { self.scheme = scheme }

    /// The metadata entries that choices override, which are not read.
    var replacedKeys: Set<MetadataKey> {
      let chosen: [(key: MetadataKey, isChosen: Bool)] = [
        (.name, scheme != nil), (.resize, resize != nil), (.crop, crop != nil),
        (.interpolation, interpolation != nil), (.orientation, appliesOrientation != nil),
      ]
      return Set(chosen.filter(\.isChosen).map(\.key))
    }
  }

  /// Replaces everything but the scheme by the choices.
  ///
  /// A crop that was not chosen becomes no larger than the chosen size.
  /// - Throws: `GraftError` if a chosen crop is larger than the size
  package mutating func apply(_ choices: Choices) throws {
    if let chosen = choices.resize { self.resize = chosen }
    if let chosen = choices.crop { self.crop = chosen }
    if let chosen = choices.interpolation { interpolation = chosen }
    if let chosen = choices.appliesOrientation { appliesOrientation = chosen }
    guard choices.resize != nil || choices.crop != nil, let resize, let crop,
      !resize.leaves(crop)
    else { return }
    guard choices.crop == nil else {
      throw GraftError.usage(
        "images are resized to \(resize), too small for a crop of \(crop.shortDescription)",
        hint: "Use a smaller crop or a larger size")
    }
    self.crop = resize.part(of: crop)
  }
}

extension ResizeRule {
  /// Whether any resized image is as large as `crop`.
  fileprivate func leaves(_ crop: ImageSize) -> Bool {
    switch self {
    case .exact(let size): crop.width <= size.width && crop.height <= size.height
    case .shorter(let side): min(crop.width, crop.height) <= side
    }
  }

  /// `crop`, limited to the smallest sides of resized images.
  fileprivate func part(of crop: ImageSize) -> ImageSize {
    let least =
      switch self {
      case .exact(let size): size
      case .shorter(let side): ImageSize(width: side, height: side)
      }
    return ImageSize(
      width: min(crop.width, least.width), height: min(crop.height, least.height))
  }
}
