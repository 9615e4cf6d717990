import GraftData
import GraftVision

/// Changes the saturation by a factor from 1 - share (at least 0) to 1 + share.
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
