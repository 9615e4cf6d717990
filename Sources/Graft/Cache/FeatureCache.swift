import GraftExecution
import GraftFiles
import GraftRuntime
import GraftTraining

/// Image features that outlive a run, in the folder of compiled models: a ``FeatureFile`` for each
/// frozen part of a network, with the features of images from any dataset.
package struct FeatureCache: Sendable {
  private let cache: ModelCache
  /// The limit of a file, as a fraction of the cache's limit: 1/4.
  private static let limitShare = 4

  package init(_ cache: ModelCache) { self.cache = cache }

  /// The cached features for some work; `nil` if nothing should be cached, or the folder cannot be
  /// written.
  package func archive(for work: FrozenWork) throws -> (any FeatureArchive)? {
    let byteLimit = cache.byteLimit / FeatureCache.limitShare
    guard work.byteCount <= byteLimit, cache.makeFolder() else { return nil }
    let key = try work.key()
    let items = work.batches.items
    // An unreadable image is reported when it is needed.
    guard
      let digests = try? ThreadPool.shared.map(
        items.count, threads: work.options.threadCount, { try items[$0].contentDigest() })
    else { return nil }
    let name = try SHA256Digest(of: key).hexadecimal.prefix(32)
    return StoredFeatures(
      FeatureFile(
        path: "\(cache.folder)/\(name).features", key: key, elementCount: work.elementCount,
        threadCount: work.options.threadCount),
      cache, images: digests, augmentation: work.augmentation, byteLimit: byteLimit)
  }
}

/// A file of features, accessed by the images of a run.
private final class StoredFeatures: FeatureArchive {
  private let file: FeatureFile
  private let cache: ModelCache
  private let images: [SHA256Digest]
  private let augmentation: String?
  private let byteLimit: Int

  init(
    _ file: FeatureFile, _ cache: ModelCache, images: [SHA256Digest], augmentation: String?,
    byteLimit: Int
  ) {
    self.file = file
    self.cache = cache
    self.images = images
    self.augmentation = augmentation
    self.byteLimit = byteLimit
    if !file.isEmpty { cache.markAsUsed(file.path) }
  }

  func withFeatures(of image: ChangedImage, _ body: (UnsafePointer<Float>) -> Void) -> Bool {
    guard !file.isEmpty, let key = try? key(image) else { return false }
    return file.withRow(key, body)
  }

  func add(
    _ images: [ChangedImage], copy: (ChangedImage, UnsafeMutablePointer<Float>) -> Void
  ) {
    var new: [SHA256Digest: ChangedImage] = [:]
    for image in images {
      if let key = try? key(image) { new[key] = image }
    }
    guard
      (try? file.add(new.map { $0 }, byteLimit: byteLimit, copy: copy)) != nil
    else { return }
    cache.removeOldest(besides: file.path)
  }

  /// The image's content and its random changes.
  private func key(_ image: ChangedImage) throws -> SHA256Digest {
    let content = images[image.number]
    guard let round = image.round else { return content }
    return try SHA256Digest(
      of: "\(content.hexadecimal) \(augmentation ?? "") \(round.seed(ofImage: image.number))")
  }
}
