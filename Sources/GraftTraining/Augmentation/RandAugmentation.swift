import GraftData
import GraftVision

/// Random operations with equal probabilities and the same magnitude: `randaugment(2,9)` applies
/// two of magnitude 9, on a scale from 0 to 30.
///
/// Sources: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
/// space", <https://arxiv.org/abs/1909.13719>; its operations and magnitudes are those of
/// torchvision's `RandAugment`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.RandAugment.html>
package struct RandAugmentation: Augmentation {
  package static let name = "randaugment"
  package static let usage = "randaugment or randaugment(COUNT,MAGNITUDE)"

  package static let levelCount = 31
  package static let operations = ImageOperation.allCases.filter { $0 != .invert }

  private let count: Int
  private let level: Int

  package init(_ call: NamedCall) throws {
    var call = call
    let usage = RandAugmentation.usage
    count = try call.takeFirst(default: 2, in: 1...14, usage: usage, as: "COUNT")
    level = try call.takeFirst(
      default: 9, in: 0...(RandAugmentation.levelCount - 1), usage: usage, as: "MAGNITUDE")
    try call.requireNoMore(usage: usage)
  }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    var image = image
    for _ in 0..<count {
      let operations = RandAugmentation.operations
      let operation = operations[generator.nextIndex(in: 0...operations.count - 1)]
      let magnitude = operation.magnitude(
        level: level, levelCount: RandAugmentation.levelCount, size: image.size)
      let isNegative = operation.isSigned && generator.nextChance()
      image = try operation.apply(to: image, magnitude: isNegative ? -magnitude : magnitude)
    }
    return image
  }
}
