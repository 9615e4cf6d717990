import GraftData
import GraftVision

/// Replaces each image by its weighted mean with another random training image, and likewise the
/// targets. The weight is drawn for each image from Beta(alpha, alpha). Samples are rounded to 8
/// bits.
///
/// Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization",
/// <https://arxiv.org/abs/1710.09412>
package struct MixupAugmentation: MixingAugmentation {
  package static let name = "mixup"
  package static let usage = "mixup or mixup(ALPHA)"

  private let alpha: Double

  package init(_ call: NamedCall) throws {
    var call = call
    alpha = try call.takeAlpha(MixupAugmentation.usage)
  }

  package func draw(size: ImageSize, using generator: inout SeededGenerator) -> Mixture {
    Mixture(kind: .blend, share: generator.nextBeta(alpha))
  }
}
