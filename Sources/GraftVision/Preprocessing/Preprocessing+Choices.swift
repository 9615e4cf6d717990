import GraftFiles

extension Preprocessing {
  /// What people say of the preparation of images: it takes the place of what a model's metadata say.
  package struct Choices: Sendable, Hashable {
    package var scheme: Scheme?
    /// Outer `nil`: as the model has it; inner `nil`: not at all.
    package var resize: ResizeRule??
    package var crop: ImageSize??
    package var interpolation: Interpolation?
    package var appliesOrientation: Bool?

    package init(scheme: Scheme? = nil) { self.scheme = scheme }

    /// The entries of metadata that are not read, as something else was said.
    var replacedKeys: Set<MetadataKey> {
      let said: [(key: MetadataKey, isSaid: Bool)] = [
        (.name, scheme != nil), (.resize, resize != nil), (.crop, crop != nil),
        (.interpolation, interpolation != nil), (.orientation, appliesOrientation != nil),
      ]
      return Set(said.filter(\.isSaid).map(\.key))
    }
  }

  /// Puts what was said in the place of all but the scheme.
  ///
  /// A crop that was not said itself becomes no larger than the size to resize to.
  /// - Throws: `GraftError` if a crop that was said is larger than that.
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
        "images are resized to \(resize), which leaves no \(crop.shortDescription) to cut out",
        hint: "Crop to less, or resize to more")
    }
    self.crop = resize.part(of: crop)
  }
}

extension ResizeRule {
  /// Whether some resized image is as large as `crop`.
  fileprivate func leaves(_ crop: ImageSize) -> Bool {
    switch self {
    case .exact(let size): crop.width <= size.width && crop.height <= size.height
    case .shorter(let side): min(crop.width, crop.height) <= side
    }
  }

  /// The sides of `crop`, but no longer than those that resized images have at least.
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
