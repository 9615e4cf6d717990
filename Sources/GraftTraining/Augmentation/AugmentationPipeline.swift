import GraftData
import GraftFiles
import GraftOperators
import GraftVision

/// Random changes of training images, one after another: `flip,crop(4),cutout(8)`.
///
/// `mixup` and `cutmix` are always applied last, since the other image is changed too. If there are
/// several, each image gets one of them, with equal probability.
package struct AugmentationPipeline: Sendable {
  private let augmentations: [any Augmentation]
  private let mixing: [any MixingAugmentation]

  private static let known: [any Augmentation.Type] = [
    FlipAugmentation.self, CropAugmentation.self, ShiftAugmentation.self, RotateAugmentation.self,
    ZoomAugmentation.self, BrightnessAugmentation.self, ContrastAugmentation.self,
    SaturationAugmentation.self, CutoutAugmentation.self, AutoAugmentation.self,
    RandAugmentation.self,
  ]

  private static let knownMixing: [any MixingAugmentation.Type] = [
    MixupAugmentation.self, CutMixAugmentation.self,
  ]

  package static var names: [String] { known.map { $0.name } + knownMixing.map { $0.name } }

  /// The syntax of each augmentation.
  package static var usages: [String] { known.map { $0.usage } + knownMixing.map { $0.usage } }

  /// - Parameter text: calls separated by commas; `none` for no change
  /// - Throws: `GraftError` that says which part of the text is invalid
  package init(_ text: String) throws {
    var augmentations: [any Augmentation] = []
    var mixing: [any MixingAugmentation] = []
    var calls = try NamedCall.list(text)
    if calls == [try NamedCall("none")] { calls = [] }
    guard calls.count <= 64 else {
      throw GraftError.usage("there are \(calls.count) changes", hint: "Use at most 64")
    }
    for call in calls {
      if let kind = AugmentationPipeline.known.first(where: { $0.name == call.name }) {
        augmentations.append(try kind.init(call))
      } else if let kind = AugmentationPipeline.knownMixing.first(where: { $0.name == call.name }) {
        mixing.append(try kind.init(call))
      } else {
        throw GraftError.usage(
          "unknown augmentation '\(call.name)'",
          hint: nearestNamesHint(call.name, among: AugmentationPipeline.names)
            ?? "Use one of \(AugmentationPipeline.names.joined(separator: ", "))")
      }
    }
    self.augmentations = augmentations
    self.mixing = mixing
  }

  package var isEmpty: Bool { augmentations.isEmpty && mixing.isEmpty }

  /// Whether targets mix several classes.
  package var mixesTargets: Bool { !mixing.isEmpty }

  /// The image after all changes except mixing, determined by the seed alone.
  package func apply(to image: Image, seed: UInt64) throws -> Image {
    var generator = SeededGenerator(seed: seed)
    return try augmentations.reduce(image) { try $1.apply(to: $0, using: &generator) }
  }

  /// How an image is mixed in a round; `nil` if it is not.
  ///
  /// - Parameters:
  ///   - number: of the image
  ///   - count: the number of images, any of which may be the partner
  ///   - size: of the images
  package func mixture(
    ofImage number: Int, among count: Int, size: ImageSize, in round: AugmentationRound
  ) -> Mixture? {
    guard !mixing.isEmpty, count > 0 else { return nil }
    var generator = SeededGenerator(seed: round.seed(ofImage: number, stream: 1))
    let partner = generator.nextIndex(in: 0...count - 1)
    let chosen = mixing[generator.nextIndex(in: 0...mixing.count - 1)]
    var mixture = chosen.draw(size: size, using: &generator)
    mixture.partner = partner
    return mixture
  }
}

/// The source of an epoch's random changes.
package struct AugmentationRound: Sendable, Hashable {
  /// Derived from the phase, and the epoch or variant.
  package var seed: UInt64
  /// The cached variant of the round; `nil` if features are not cached.
  package var variant: Int?

  /// - Parameters:
  ///   - seed: of the recipe
  ///   - phase: from 0
  ///   - epoch: from 0
  ///   - variantCount: the number of epochs after which the changes repeat; `nil` for never
  package init(seed: UInt64, phase: Int, epoch: Int, variantCount: Int? = nil) {
    variant = variantCount.map { epoch % $0 }
    let numbers = CounterRandom(seed: Int(truncatingIfNeeded: seed), stream: 2, step: phase)
    self.seed = numbers.bits(at: variant ?? epoch)
  }

  /// The seed of one image for one purpose.
  package func seed(ofImage number: Int, stream: Int = 0) -> UInt64 {
    CounterRandom(seed: Int(truncatingIfNeeded: seed), stream: stream).bits(at: number)
  }
}
