import GraftData
import GraftVision

/// Rotates the image around its centre by up to some degrees in either direction; uncovered areas
/// are black.
///
/// Source: torchvision's `RandomRotation(degrees, BILINEAR)`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandomRotation.html>
package struct RotateAugmentation: Augmentation {
  package static let name = "rotate"
  package static let usage = "rotate(DEGREES)"

  private let degrees: Double

  package init(_ call: NamedCall) throws {
    var call = call
    degrees = try call.takeFirst(in: 0...180, usage: RotateAugmentation.usage)
    try call.requireNoMore(usage: RotateAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    let angle = generator.nextNumber(in: -degrees...degrees)
    return try image.transformed(by: .rotation(degrees: angle, size: image.size), .bilinear)
  }
}
