import GraftData
import GraftVision

/// Changes the brightness by a factor from 1 - share (at least 0) to 1 + share.
///
/// Source: torchvision's `ColorJitter(brightness=share)`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.ColorJitter.html>
package struct BrightnessAugmentation: Augmentation {
  package static let name = "brightness"
  package static let usage = "brightness(SHARE)"

  private let factors: ClosedRange<Double>

  package init(_ call: NamedCall) throws {
    var call = call
    factors = try call.takeFactors(BrightnessAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    try image.withBrightness(Float(generator.nextNumber(in: factors)))
  }
}
