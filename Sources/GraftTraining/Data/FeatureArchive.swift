import GraftGraph
import GraftRuntime

/// Features that earlier runs computed, and that later ones may have.
package protocol FeatureArchive: AnyObject {
  /// Calls `body` with an image's features, all values that cross the cut one after the other. It must
  /// not keep the pointer.
  ///
  /// - Returns: whether they are here
  func withFeatures(of image: ChangedImage, _ body: (UnsafePointer<Float>) -> Void) -> Bool

  /// Keeps features for later runs. What cannot be written is not kept, which is no reason to fail.
  ///
  /// - Parameter copy: writes the features of an image to memory for them
  func add(
    _ images: [ChangedImage], copy: (ChangedImage, UnsafeMutablePointer<Float>) -> Void)
}

/// An image, by its number, with a round's random changes, if there are any.
package struct ChangedImage: Sendable, Hashable {
  package var number: Int
  package var round: AugmentationRound?
}

/// The frozen part of a network at work: all that features of images follow from.
package struct FrozenWork {
  package let graph: Graph
  package let batches: ImageBatches
  /// Images that go through the frozen part at once, which kernels are chosen by.
  package let batchSize: Int
  /// What random changes of images are, as recipes have it.
  package let augmentation: String?
  /// Floats of one image's features.
  package let elementCount: Int
  /// Features that there are going to be: those of each image, or variant.
  package let count: Int
  package let options: Executable.Options

  /// Bytes of all features.
  package var byteCount: Int { elementCount * count * MemoryLayout<Float>.size }
}
