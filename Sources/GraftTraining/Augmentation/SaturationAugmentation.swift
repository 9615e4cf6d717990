import GraftData
import GraftVision

/// The image's colours become weaker or stronger, by a factor from 1 - share (0 at least) to 1 + share.
///
/// Source: torchvision's `ColorJitter(saturation=share)`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.ColorJitter.html>
package struct SaturationAugmentation: Augmentation {
  package static let name = "saturation"
  package static let usage = "saturation(SHARE)"

  private let factors: ClosedRange<Double>

  package init(_ call: NamedCall) throws {
    var call = call
    factors = try call.takeFactors(SaturationAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    try image.withSaturation(Float(generator.nextNumber(in: factors)))
  }
}
