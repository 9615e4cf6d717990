import GraftGraph
import GraftRuntime

/// Features from earlier runs, for this and later ones.
package protocol FeatureArchive: AnyObject {
  /// Calls `body` with the features of an image: all values that cross the cut, one after another.
  /// `body` must not keep the pointer.
  ///
  /// - Returns: whether the features are stored
  func withFeatures(of image: ChangedImage, _ body: (UnsafePointer<Float>) -> Void) -> Bool

  /// Stores features for later runs; ignores write errors.
  ///
  /// - Parameter copy: writes the features of an image to memory
  func add(
    _ images: [ChangedImage], copy: (ChangedImage, UnsafeMutablePointer<Float>) -> Void)
}

/// An image, by its number, with a round's random changes, if any.
package struct ChangedImage: Sendable, Hashable {
  package var number: Int
  package var round: AugmentationRound?
}

/// The work of a network's frozen part: everything that features depend on besides the image.
package struct FrozenWork {
  package let graph: Graph
  package let batches: ImageBatches
  /// The number of images per batch, which affects the choice of kernels.
  package let batchSize: Int
  /// The random changes of images, in the recipe's notation.
  package let augmentation: String?
  /// The number of floats in one image's features.
  package let elementCount: Int
  /// The number of features: those of each image or variant.
  package let count: Int
  package let options: Executable.Options

  /// The size of all features.
  package var byteCount: Int { elementCount * count * MemoryLayout<Float>.size }
}
