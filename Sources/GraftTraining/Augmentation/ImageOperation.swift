import GraftVision

/// torchvision's operations of learned and random policies.
///
/// Pixels are taken from the nearest position; uncovered areas are black.
package enum ImageOperation: String, Sendable, CaseIterable {
  case identity = "Identity"
  case shearX = "ShearX"
  case shearY = "ShearY"
  case translateX = "TranslateX"
  case translateY = "TranslateY"
  case rotate = "Rotate"
  case brightness = "Brightness"
  case color = "Color"
  case contrast = "Contrast"
  case sharpness = "Sharpness"
  case posterize = "Posterize"
  case solarize = "Solarize"
  case autoContrast = "AutoContrast"
  case equalize = "Equalize"
  case invert = "Invert"

  /// Whether the magnitude can also be negative.
  package var isSigned: Bool {
    switch self {
    case .shearX, .shearY, .translateX, .translateY, .rotate, .brightness, .color, .contrast,
      .sharpness:
      true
    default: false
    }
  }

  /// The magnitude at a level.
  ///
  /// - Parameters:
  ///   - level: from 0 for the smallest change to `levelCount` - 1
  ///   - size: of the image, to which translations are proportional
  package func magnitude(level: Int, levelCount: Int, size: ImageSize) -> Double {
    let share = Double(level) / Double(levelCount - 1)
    switch self {
    case .shearX, .shearY: return 0.3 * share
    case .translateX: return 150 / 331 * Double(size.width) * share
    case .translateY: return 150 / 331 * Double(size.height) * share
    case .rotate: return 30 * share
    case .brightness, .color, .contrast, .sharpness: return 0.9 * share
    case .posterize: return 8 - (4 * share).rounded(.toNearestOrEven)
    case .solarize: return 255 - 255 * share
    case .identity, .autoContrast, .equalize, .invert: return 0
    }
  }

  /// The changed image, like torchvision's `autoaugment._apply_op`.
  ///
  /// - Parameter magnitude: from ``magnitude(level:levelCount:size:)``, or its negative
  package func apply(to image: Image, magnitude: Double) throws -> Image {
    switch self {
    case .identity: return image
    case .shearX: return try image.transformed(by: .shearX(magnitude))
    case .shearY: return try image.transformed(by: .shearY(magnitude))
    case .translateX:
      return try image.cropped(left: -Int(magnitude), top: 0, size: image.size, border: .zero)
    case .translateY:
      return try image.cropped(left: 0, top: -Int(magnitude), size: image.size, border: .zero)
    case .rotate:
      return try image.transformed(by: .rotation(degrees: magnitude, size: image.size))
    case .brightness: return try image.withBrightness(Float(1 + magnitude))
    case .color: return try image.withSaturation(Float(1 + magnitude))
    case .contrast: return try image.withContrast(Float(1 + magnitude))
    case .sharpness: return try image.withSharpness(Float(1 + magnitude))
    case .posterize: return try image.posterized(bits: Int(magnitude))
    case .solarize: return try image.solarized(threshold: magnitude)
    case .autoContrast: return try image.autoContrasted()
    case .equalize: return try image.equalized()
    case .invert: return try image.inverted()
    }
  }
}
