import GraftData
import GraftRuntime
import GraftVision

/// Random changes of training pictures, one after another: `flip,crop(4),cutout(8)`.
package struct AugmentationPipeline: Sendable {
  package let augmentations: [any Augmentation]

  package static let known: [any Augmentation.Type] = [
    FlipAugmentation.self, CropAugmentation.self, CutoutAugmentation.self,
  ]

  /// - Parameter text: calls between commas; `none` for no change at all
  /// - Throws: `GraftError` that says which part of the text makes no sense.
  package init(_ text: String) throws {
    augmentations = try withPlace("augment '\(text)'") {
      try NamedCall.list(text).filter { $0 != (try? NamedCall("none")) }.map { call in
        guard let kind = AugmentationPipeline.known.first(where: { $0.name == call.name }) else {
          throw GraftError.usage(
            "'\(call.name)' is no augmentation",
            hint: nearestNamesHint(call.name, among: AugmentationPipeline.known.map { $0.name }))
        }
        return try kind.init(call)
      }
    }
  }

  package var isEmpty: Bool { augmentations.isEmpty }

  /// The picture with all changes, which follow from the seed alone.
  package func apply(to image: Image, seed: UInt64) throws -> Image {
    var generator = SeededGenerator(seed: seed)
    return try augmentations.reduce(image) { try $1.apply(to: $0, using: &generator) }
  }
}

/// What an epoch's random changes follow from.
package struct AugmentationRound: Sendable, Hashable {
  /// Of the phase and of what is drawn anew in it.
  package var seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  /// The seed of one picture.
  func seed(ofPicture number: Int) -> UInt64 {
    CounterRandom(seed: Int(truncatingIfNeeded: seed)).bits(at: number)
  }
}
