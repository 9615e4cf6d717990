import GraftRuntime

/// Features that earlier runs computed, and that later ones may have.
package protocol FeatureArchive: AnyObject {
  /// Of a picture the features, all values that cross the cut one after the other; `nil` if they are not here.
  func features(of picture: ChangedPicture) -> UnsafePointer<Float>?

  /// Keeps features for later runs. What cannot be written is not kept, which is no reason to fail.
  ///
  /// - Parameter copy: writes the features of a picture to memory for them
  func add(
    _ pictures: [ChangedPicture], copy: (ChangedPicture, UnsafeMutablePointer<Float>) -> Void)
}

/// A picture, by its number, with a round's random changes, if there are any.
package struct ChangedPicture: Sendable, Hashable {
  package var number: Int
  package var round: AugmentationRound?
}

/// The frozen part of a network at work: all that features of pictures follow from.
package struct FrozenWork {
  package let graph: Graph
  package let batches: PictureBatches
  /// Pictures that go through the frozen part at once, which kernels are chosen by.
  package let batchSize: Int
  /// What random changes of pictures are, as recipes have it.
  package let augmentation: String?
  /// Floats of one picture's features.
  package let elementCount: Int
  /// Features that there are going to be: those of each picture, or variant.
  package let count: Int
  package let options: Executable.Options

  /// Bytes of all features.
  package var byteCount: Int { elementCount * count * MemoryLayout<Float>.size }
}
