/// The unused files of a dataset, counted by reason.
package struct LeftOutFiles: Sendable, Equatable {
  package enum Reason: Sendable, Hashable {
    /// Hidden, or created by a system: `.DS_Store`, `Thumbs.db`.
    case system
    /// Not an image, by its extension.
    case otherKind(ending: String)
    /// A pipe, a socket or a device.
    case special
    /// The folder of a run with all its contents.
    case run
    /// A folder that is nested too deep.
    case tooDeep
    /// A link that is broken, cyclic, or leads out of the archive.
    case link
    /// A member of an archive that a later one with the same name replaces.
    case replaced
    /// An image outside the folders of classes and parts.
    case outside
    /// An image without a class.
    case unlabelled
    /// A table row for an image that an earlier row has.
    case repeated
    /// An image that cannot be decoded.
    case unreadable
  }

  private var counts: [Reason: Int] = [:]

  package init() {}

  package var total: Int { counts.values.reduce(0, +) }

  package func count(_ reason: Reason) -> Int { counts[reason] ?? 0 }

  package mutating func add(_ reason: Reason, _ count: Int = 1) {
    if count > 0 { counts[reason, default: 0] += count }
  }

  /// A line with the numbers of files found, used and left out, and the reasons.
  ///
  /// - Parameter count: the number of images used
  package func summary(taken count: Int) -> String {
    func images(_ count: Int) -> String { count == 1 ? "1 image" : "\(count) images" }
    guard total > 0 else { return "\(images(count)) found, all used" }
    let files = count + total == 1 ? "1 file" : "\(count + total) files"
    return "\(files) found, \(images(count)) used, \(total) left out: \(self)"
  }

  package mutating func add(_ other: LeftOutFiles) {
    counts.merge(other.counts, uniquingKeysWith: +)
  }
}

extension LeftOutFiles: CustomStringConvertible {
  /// `2 hidden or system files, 3 files of other kinds (.csv 1, .txt 2)`
  package var description: String {
    var parts: [String] = []
    func add(_ reason: Reason, _ one: String, _ many: String) {
      if let count = counts[reason] { parts.append("\(count) \(count == 1 ? one : many)") }
    }
    add(.unreadable, "unreadable image", "unreadable images")
    add(.unlabelled, "image without a class", "images without a class")
    add(.outside, "image outside the class folders", "images outside the class folders")
    add(.repeated, "duplicate row", "duplicate rows")
    add(.system, "hidden or system file", "hidden or system files")
    let endings = counts.compactMap { reason, count -> (ending: String, count: Int)? in
      if case .otherKind(let ending) = reason { (ending, count) } else { nil }
    }.sorted { ($1.count, $0.ending) < ($0.count, $1.ending) }
    if !endings.isEmpty {
      let sum = endings.reduce(0) { $0 + $1.count }
      let shown = endings.prefix(5).map {
        ($0.ending.isEmpty ? "no extension" : ".\($0.ending)") + " \($0.count)"
      }
      parts.append(
        "\(sum) \(sum == 1 ? "file of another kind" : "files of other kinds") "
          + "(\(shown.joined(separator: ", "))\(endings.count > 5 ? ", …" : ""))")
    }
    add(.link, "broken link", "broken links")
    add(.replaced, "member replaced by a later one", "members replaced by later ones")
    add(.special, "pipe or device", "pipes or devices")
    add(.run, "run folder", "run folders")
    add(.tooDeep, "folder nested too deep", "folders nested too deep")
    return parts.joined(separator: ", ")
  }
}
