import GraftFiles
import GraftVision
import Synchronization

extension ImageDataset {
  /// An image that cannot be read.
  package struct BadImage: Sendable, Equatable {
    package var place: String
    package var reason: String
  }

  /// How thoroughly images are checked.
  package enum CheckDepth: Sendable {
    /// Reads the start of each file: finds empty files and files other than images, in
    /// microseconds.
    case headers
    /// Decodes everything: also finds truncated and damaged images.
    case pixels
  }

  /// Leaves out the images of all parts that cannot be read, and counts them.
  ///
  /// Only the image itself can be at fault: if the system cannot read it at the moment, that is an
  /// error, so that the same data always give the same result.
  ///
  /// - Parameters:
  ///   - maximumBad: the most bad images allowed
  ///   - threads: the number of images checked at the same time; it does not affect the result
  /// - Returns: the dataset without the bad images, and a list of them in the order of the parts
  /// - Throws: `GraftError` if there are more, if reading fails, or if ``validate()`` then fails
  package func checked(
    _ depth: CheckDepth, maximumBad: Int, threads: Int
  ) throws -> (dataset: ImageDataset, bad: [BadImage]) {
    var result = self
    var bad: [BadImage] = []
    for part in [\ImageDataset.items, \.validationItems, \.testItems] {
      let reasons = try Self.reasons(self[keyPath: part], depth, threads: max(1, threads))
      result[keyPath: part] = self[keyPath: part].indices.filter { reasons[$0] == nil }
        .map { self[keyPath: part][$0] }
      bad += reasons.sorted { $0.key < $1.key }.map {
        BadImage(place: self[keyPath: part][$0.key].image.place, reason: $0.value)
      }
    }
    result.leftOut.add(.unreadable, bad.count)
    guard bad.count <= maximumBad else {
      throw GraftError.badData(
        "\(bad.count) of \(imageCount) images cannot be read: "
          + Self.enumeration(bad.map { "\($0.place) (\($0.reason))" }, limit: 3),
        hint: "Raise --max-bad, now \(maximumBad), to leave them out"
      ).at(place)
    }
    try result.validate()
    return (result, bad)
  }

  /// The reasons why images cannot be read, by index.
  private static func reasons(
    _ items: [Item], _ depth: CheckDepth, threads: Int
  ) throws -> [Int: String] {
    let reasons = Mutex<[Int: String]>([:])
    let failure = Mutex<(index: Int, error: GraftError)?>(nil)
    let next = Atomic(0)
    withThreads(min(threads, items.count)) {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < items.count else { return }
        guard let error = items[index].image.failure(depth) else { continue }
        guard error.isImageError else {
          failure.withLock { if index < $0?.index ?? .max { $0 = (index, error) } }
          return
        }
        reasons.withLock { $0[index] = error.message }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
    return reasons.withLock { $0 }
  }
}

extension ImageDataset.ImageSource {
  /// The reason why the image cannot be read; `nil` if it can.
  fileprivate func failure(_ depth: ImageDataset.CheckDepth) -> GraftError? {
    do {
      switch (self, depth) {
      case (.samples, _): return nil
      case (_, .pixels): _ = try image()
      case (.file(let path), .headers):
        let bytes = try FileBytes(mapping: path)
        _ = try bytes.withUnsafeBytes { try Image.size(of: $0, place: path) }
      case (.encoded(let bytes, let place), .headers):
        _ = try bytes.withUnsafeBytes { try Image.size(of: $0, place: place) }
      }
      return nil
    } catch let error as GraftError {
      return error
    } catch {
      return GraftError(.software, "\(error)", places: [place])
    }
  }
}

extension GraftError {
  /// Whether the image itself is invalid or missing, rather than the system being unable to read
  /// it.
  fileprivate var isImageError: Bool {
    switch code {
    case .badData, .noInput, .unavailable: true
    default: false
    }
  }
}
