import GraftData
import GraftVision

/// Makes a square around a random pixel grey, clipped to the image. Grey (128) is about the mean of
/// images, like the paper's zeros in normalized images.
///
/// Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
/// Cutout", <https://arxiv.org/abs/1708.04552>
package struct CutoutAugmentation: Augmentation {
  package static let name = "cutout"
  package static let usage = "cutout(PIXELS)"

  /// The side of the square.
  private let side: Int

  package init(_ call: NamedCall) throws {
    var call = call
    side = try call.takePixels(CutoutAugmentation.usage)
    try call.requireNoMore(usage: CutoutAugmentation.usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    let left = generator.nextIndex(in: 0...image.width - 1) - side / 2
    let top = generator.nextIndex(in: 0...image.height - 1) - side / 2
    return try image.filled(columns: left..<left + side, rows: top..<top + side, value: 128)
  }
}
