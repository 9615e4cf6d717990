import GraftTensor
import GraftVision
import Synchronization

extension PictureDataset {
  /// A picture that cannot be read.
  package struct BadPicture: Sendable, Equatable {
    package var place: String
    package var reason: String
  }

  /// How closely pictures are looked at.
  package enum CheckDepth: Sendable {
    /// The beginnings of files: finds what is empty or no picture. Takes microseconds for each.
    case headers
    /// Everything is decoded: finds what is cut off or damaged, too.
    case pixels
  }

  /// Leaves out the pictures that cannot be read, of all parts.
  ///
  /// - Parameters:
  ///   - maximumBad: how many there may be
  ///   - threads: how many pictures are looked at simultaneously; the result does not depend on it
  /// - Returns: the data set without them, and a list of them, in the order of the parts
  /// - Throws: `GraftError` if there are more, or if ``validate()`` finds something afterwards.
  package func checked(
    _ depth: CheckDepth, maximumBad: Int, threads: Int
  ) throws -> (dataset: PictureDataset, bad: [BadPicture]) {
    var result = self
    var bad: [BadPicture] = []
    for part in [\PictureDataset.items, \.validationItems, \.testItems] {
      let reasons = Self.reasons(self[keyPath: part], depth, threads: max(1, threads))
      result[keyPath: part] = self[keyPath: part].indices.filter { reasons[$0] == nil }
        .map { self[keyPath: part][$0] }
      bad += reasons.sorted { $0.key < $1.key }.map {
        BadPicture(place: self[keyPath: part][$0.key].picture.place, reason: $0.value)
      }
    }
    guard bad.count <= maximumBad else {
      throw GraftError.badData(
        "\(bad.count) of \(items.count + validationItems.count + testItems.count) pictures "
          + "cannot be read: "
          + Self.enumeration(bad.map { "\($0.place) (\($0.reason))" }, limit: 3),
        hint: "Up to \(maximumBad) would be left out; --max-bad allows more."
      ).at(place)
    }
    try result.validate()
    return (result, bad)
  }

  /// Why pictures cannot be read, by their indices.
  private static func reasons(
    _ items: [Item], _ depth: CheckDepth, threads: Int
  ) -> [Int: String] {
    let reasons = Mutex<[Int: String]>([:])
    let next = Atomic(0)
    withThreads(min(threads, items.count)) {
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < items.count else { return }
        if let reason = items[index].picture.reasonForRefusal(depth) {
          reasons.withLock { $0[index] = reason }
        }
      }
    }
    return reasons.withLock { $0 }
  }
}

extension PictureDataset.PictureSource {
  /// Why the picture cannot be read; `nil` if it can.
  fileprivate func reasonForRefusal(_ depth: PictureDataset.CheckDepth) -> String? {
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
      return error.message
    } catch {
      return "\(error)"
    }
  }
}
