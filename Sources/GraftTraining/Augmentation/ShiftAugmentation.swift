import GraftData
import GraftVision

/// Shifts the image by whole pixels, in each direction by up to a fraction of its side; uncovered
/// areas are black.
///
/// Source: torchvision's `RandomAffine(0, translate=(share, share))`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandomAffine.html>
package struct ShiftAugmentation: Augmentation {
  package static let name = "shift"
  package static let usage = "shift(SHARE)"

  private let share: Double

  package init(_ call: NamedCall) throws {
    var call = call
    share = try call.takeFirst(in: 0...1, usage: ShiftAugmentation.usage)
    try call.requireNoMore(usage: ShiftAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    func offset(_ side: Int) -> Int {
      let most = share * Double(side)
      return Int(generator.nextNumber(in: -most...most).rounded(.toNearestOrEven))
    }
    let (left, top) = (offset(image.width), offset(image.height))
    return try image.cropped(left: -left, top: -top, size: image.size, border: .zero)
  }
}
