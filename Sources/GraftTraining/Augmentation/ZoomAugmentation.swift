import GraftData
import GraftVision

/// Scales the image around its centre by a factor from 1 - share to 1 + share; uncovered areas are
/// black.
///
/// Source: torchvision's `RandomAffine(0, scale=(1 - share, 1 + share), interpolation=BILINEAR)`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandomAffine.html>
package struct ZoomAugmentation: Augmentation {
  package static let name = "zoom"
  package static let usage = "zoom(SHARE)"

  private let share: Double

  package init(_ call: NamedCall) throws {
    var call = call
    share = try call.takeFirst(in: 0...0.95, usage: ZoomAugmentation.usage)
    try call.requireNoMore(usage: ZoomAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    let scale = generator.nextNumber(in: 1 - share...1 + share)
    return try image.transformed(by: .scaling(by: scale, size: image.size), .bilinear)
  }
}
