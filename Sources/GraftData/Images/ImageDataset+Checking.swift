import GraftFiles
import GraftVision
import Synchronization

extension ImageDataset {
  /// An image that cannot be read.
  package struct BadImage: Sendable, Equatable {
    package var place: String
    package var reason: String
  }

  /// How closely images are looked at.
  package enum CheckDepth: Sendable {
    /// The beginnings of files: finds what is empty or no image. Takes microseconds for each.
    case headers
    /// Everything is decoded: finds what is cut off or damaged, too.
    case pixels
  }

  /// Leaves out the images that cannot be read, of all parts, and counts them.
  ///
  /// An image is bad for what it is, not for the moment: one that the system cannot read now is an
  /// error, so that the same data always give the same result.
  ///
  /// - Parameters:
  ///   - maximumBad: how many there may be
  ///   - threads: how many images are looked at simultaneously; the result does not depend on it
  /// - Returns: the data set without them, and a list of them, in the order of the parts
  /// - Throws: `GraftError` if there are more, if reading fails, or if ``validate()`` finds something
  ///   afterwards.
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
        hint: "Up to \(maximumBad) would be left out; --max-bad allows more."
      ).at(place)
    }
    try result.validate()
    return (result, bad)
  }

  /// Why images cannot be read, by their indices.
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
        guard error.isOfTheImage else {
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
  /// Why the image cannot be read; `nil` if it can.
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
  /// Whether the image itself is at fault, or missing, rather than the system that reads it.
  fileprivate var isOfTheImage: Bool {
    switch code {
    case .badData, .noInput, .unavailable: true
    default: false
    }
  }
}
