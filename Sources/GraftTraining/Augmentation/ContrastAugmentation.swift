import GraftData
import GraftVision

/// Changes the contrast by a factor from 1 - share (at least 0) to 1 + share.
///
/// Source: torchvision's `ColorJitter(contrast=share)`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.ColorJitter.html>
package struct ContrastAugmentation: Augmentation {
  package static let name = "contrast"
  package static let usage = "contrast(SHARE)"

  private let factors: ClosedRange<Double>

  package init(_ call: NamedCall) throws {
    var call = call
    factors = try call.takeFactors(ContrastAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    try image.withContrast(Float(generator.nextNumber(in: factors)))
  }
}
