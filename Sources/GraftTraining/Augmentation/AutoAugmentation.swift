import GraftData
import GraftVision

/// The policy learned on CIFAR-10: one of 25 pairs of operations, each with its own probability.
///
/// Sources: Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", table 7,
/// <https://arxiv.org/abs/1805.09501>; magnitudes are those of torchvision's `AutoAugment`,
/// <https://pytorch.org/vision/stable/generated/torchvision.transforms.AutoAugment.html>
package struct AutoAugmentation: Augmentation {
  package static let name = "autoaugment"
  package static let usage = "autoaugment"

  package static let levelCount = 10

  /// An operation with its probability.
  package struct Step: Sendable {
    package let operation: ImageOperation
    package let probability: Double
    /// From 0 to 9; 0 for operations without a magnitude.
    package let level: Int

    fileprivate init(_ operation: ImageOperation, _ probability: Double, _ level: Int) {
      self.operation = operation
      self.probability = probability
      self.level = level
    }
  }

  package static let policies: [[Step]] = [
    [Step(.invert, 0.1, 0), Step(.contrast, 0.2, 6)],
    [Step(.rotate, 0.7, 2), Step(.translateX, 0.3, 9)],
    [Step(.sharpness, 0.8, 1), Step(.sharpness, 0.9, 3)],
    [Step(.shearY, 0.5, 8), Step(.translateY, 0.7, 9)],
    [Step(.autoContrast, 0.5, 0), Step(.equalize, 0.9, 0)],
    [Step(.shearY, 0.2, 7), Step(.posterize, 0.3, 7)],
    [Step(.color, 0.4, 3), Step(.brightness, 0.6, 7)],
    [Step(.sharpness, 0.3, 9), Step(.brightness, 0.7, 9)],
    [Step(.equalize, 0.6, 0), Step(.equalize, 0.5, 0)],
    [Step(.contrast, 0.6, 7), Step(.sharpness, 0.6, 5)],
    [Step(.color, 0.7, 7), Step(.translateX, 0.5, 8)],
    [Step(.equalize, 0.3, 0), Step(.autoContrast, 0.4, 0)],
    [Step(.translateY, 0.4, 3), Step(.sharpness, 0.2, 6)],
    [Step(.brightness, 0.9, 6), Step(.color, 0.2, 8)],
    [Step(.solarize, 0.5, 2), Step(.invert, 0.0, 0)],
    [Step(.equalize, 0.2, 0), Step(.autoContrast, 0.6, 0)],
    [Step(.equalize, 0.2, 0), Step(.equalize, 0.6, 0)],
    [Step(.color, 0.9, 9), Step(.equalize, 0.6, 0)],
    [Step(.autoContrast, 0.8, 0), Step(.solarize, 0.2, 8)],
    [Step(.brightness, 0.1, 3), Step(.color, 0.7, 0)],
    [Step(.solarize, 0.4, 5), Step(.autoContrast, 0.9, 0)],
    [Step(.translateY, 0.9, 9), Step(.translateY, 0.7, 9)],
    [Step(.autoContrast, 0.9, 0), Step(.solarize, 0.8, 3)],
    [Step(.equalize, 0.8, 0), Step(.invert, 0.1, 0)],
    [Step(.translateY, 0.7, 9), Step(.autoContrast, 0.9, 0)],
  ]

  package init(_ call: NamedCall) throws { try call.requireNoMore(usage: AutoAugmentation.usage) }

  package func apply(to image: Image, using generator: inout SeededGenerator) throws -> Image {
    let policies = AutoAugmentation.policies
    var image = image
    for step in policies[generator.nextIndex(in: 0...policies.count - 1)] {
      let happens = generator.nextChance(step.probability)
      let isNegative = generator.nextChance() && step.operation.isSigned
      guard happens else { continue }
      let magnitude = step.operation.magnitude(
        level: step.level, levelCount: AutoAugmentation.levelCount, size: image.size)
      image = try step.operation.apply(to: image, magnitude: isNegative ? -magnitude : magnitude)
    }
    return image
  }
}
