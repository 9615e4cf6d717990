import GraftData
import GraftVision

/// Replaces a rectangle of each image by that of another random training image, and mixes the
/// targets in proportion to the pixels. The rectangle's area is drawn for each image from
/// Beta(alpha, alpha); its centre is any pixel, and it is clipped to the image.
///
/// Sources: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
/// Localizable Features", <https://arxiv.org/abs/1905.04899>; the rounding is that of torchvision's
/// `v2.CutMix`
package struct CutMixAugmentation: MixingAugmentation {
  package static let name = "cutmix"
  package static let usage = "cutmix or cutmix(ALPHA)"

  private let alpha: Double

  package init(_ call: NamedCall) throws {
    var call = call
    alpha = try call.takeAlpha(CutMixAugmentation.usage)
  }

  package func draw(size: ImageSize, using generator: inout SeededGenerator) -> Mixture {
    let half = 0.5 * (1 - generator.nextBeta(alpha)).squareRoot()
    func range(_ side: Int) -> Range<Int> {
      let middle = generator.nextIndex(in: 0...side - 1)
      let reach = Int(half * Double(side))
      return max(0, middle - reach)..<min(side, middle + reach)
    }
    let (columns, rows) = (range(size.width), range(size.height))
    let area = Double(columns.count * rows.count) / Double(size.width * size.height)
    return Mixture(kind: .patch(columns: columns, rows: rows), share: 1 - area)
  }
}
