/// The files of a data set that are not used, counted by reason.
package struct LeftOutFiles: Sendable, Equatable {
  package enum Reason: Sendable, Hashable {
    /// Hidden, or left about by a system: `.DS_Store`, `Thumbs.db`.
    case system
    /// No image by its ending.
    case otherKind(ending: String)
    /// A pipe, a socket or a device.
    case special
    /// The folder of a run, with all that is in it.
    case run
    /// In too many folders within folders.
    case tooDeep
    /// A link that leads nowhere, in a circle or out of the archive.
    case link
    /// A member of an archive that a later one of the same name replaces.
    case replaced
    /// An image that lies outside of the folders of classes and parts.
    case outside
    /// An image of a part that does not tell its classes.
    case unlabelled
    /// A row of a table that names an image again.
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

  /// How many files were found, taken and left out, and why, in a line.
  ///
  /// - Parameter count: of the images that are taken
  package func summary(taken count: Int) -> String {
    func images(_ count: Int) -> String { count == 1 ? "1 image" : "\(count) images" }
    guard total > 0 else { return "\(images(count)) found, all taken" }
    let files = count + total == 1 ? "1 file" : "\(count + total) files"
    return "\(files) found, \(images(count)) taken, \(total) left out: \(self)"
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
    add(.outside, "image outside of the class folders", "images outside of the class folders")
    add(.repeated, "row that repeats another", "rows that repeat others")
    add(.system, "hidden or system file", "hidden or system files")
    let endings = counts.compactMap { reason, count -> (ending: String, count: Int)? in
      if case .otherKind(let ending) = reason { (ending, count) } else { nil }
    }.sorted { ($1.count, $0.ending) < ($0.count, $1.ending) }
    if !endings.isEmpty {
      let sum = endings.reduce(0) { $0 + $1.count }
      let shown = endings.prefix(5).map {
        ($0.ending.isEmpty ? "no ending" : ".\($0.ending)") + " \($0.count)"
      }
      parts.append(
        "\(sum) \(sum == 1 ? "file of another kind" : "files of other kinds") "
          + "(\(shown.joined(separator: ", "))\(endings.count > 5 ? ", …" : ""))")
    }
    add(.link, "link that leads nowhere", "links that lead nowhere")
    add(.replaced, "member replaced by a later one", "members replaced by later ones")
    add(.special, "pipe or device", "pipes or devices")
    add(.run, "folder of a run", "folders of runs")
    add(.tooDeep, "folder that lies too deep", "folders that lie too deep")
    return parts.joined(separator: ", ")
  }
}
