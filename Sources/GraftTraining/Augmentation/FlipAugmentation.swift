import GraftData
import GraftVision

/// Mirrors half of the images.
///
/// Source: torchvision's `RandomHorizontalFlip` and `RandomVerticalFlip`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandomHorizontalFlip.html>
package struct FlipAugmentation: Augmentation {
  package static let name = "flip"
  package static let usage = "flip or flip(vertical)"

  private let orientation: Orientation

  package init(_ call: NamedCall) throws {
    var call = call
    orientation = call.takeFlag("vertical") ? .flipVertically : .flipHorizontally
    try call.requireNoMore(usage: FlipAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    generator.nextChance() ? try image.oriented(orientation) : image
  }
}
