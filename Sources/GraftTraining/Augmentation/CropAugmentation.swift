import GraftData
import GraftVision

/// Pads the image, and crops it at a random position to its original size.
///
/// Source: torchvision's `RandomCrop` with `padding`, `padding_mode` `constant` or `reflect`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandomCrop.html>
package struct CropAugmentation: Augmentation {
  package static let name = "crop"
  package static let usage = "crop(PIXELS) or crop(PIXELS,reflect)"

  private let padding: Int
  private let border: BorderMode

  package init(_ call: NamedCall) throws {
    var call = call
    border = call.takeFlag("reflect") ? .reflect : .zero
    padding = try call.takePixels(CropAugmentation.usage)
    try call.requireNoMore(usage: CropAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    let left = generator.nextIndex(in: -padding...padding)
    let top = generator.nextIndex(in: -padding...padding)
    return try image.cropped(left: left, top: top, size: image.size, border: border)
  }
}
