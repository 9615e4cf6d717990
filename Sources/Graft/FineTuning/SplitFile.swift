import GraftData
import GraftExecution
import GraftFiles

/// `split.csv` of a run: the part of each image, its class, its path, and the SHA-256 of its
/// content.
package struct SplitFile: Sendable {
  package enum Part: String, Sendable, CaseIterable {
    case training, validation, test
  }

  private struct Entry {
    let part: Part
    let label: Int
    let place: String
    let content: String?
  }

  private static let byteLimit = 1 << 30
  private let entries: [Entry]
  private let byContent: [String: [Int]]
  private let byPlace: [String: Int]

  /// The parts of some data.
  ///
  /// - Throws: `GraftError` if an image cannot be read
  init(_ data: DatasetSplit, threadCount: Int) throws {
    let parts: [(Part, [ImageDataset.Item])] = [
      (.training, data.training), (.validation, data.validation), (.test, data.test),
    ]
    let items = parts.flatMap { part, items in items.map { (part, $0) } }
    let contents = try SplitFile.contents(of: items.map(\.1), threadCount: threadCount)
    self.init(
      zip(items, contents).map { item, content in
        Entry(
          part: item.0, label: item.1.label, place: item.1.image.place, content: content)
      })
  }

  /// - Throws: `GraftError` if the file is missing or damaged
  package init(path: String) throws {
    let file = try FileBytes(mapping: path)
    self.init(
      try withPlace(path) {
        guard file.count <= SplitFile.byteLimit else { throw GraftError.badData("is too large") }
        let rows = try CSVFile.rows(file)
        guard let header = rows.first?.fields,
          let part = header.firstIndex(of: "part"), let label = header.firstIndex(of: "label"),
          // Earlier versions wrote "picture".
          let place = header.firstIndex(of: "image") ?? header.firstIndex(of: "picture")
        else { throw GraftError.badData("is not a table of a run's images") }
        let content = header.firstIndex(of: "content")
        return try rows.dropFirst().map { row in
          guard row.fields.count == header.count, let part = Part(rawValue: row.fields[part]),
            let label = Int(row.fields[label])
          else { throw GraftError.badData("line \(row.line) is damaged") }
          return Entry(
            part: part, label: label, place: row.fields[place],
            content: content.map { row.fields[$0] }.flatMap { $0.isEmpty ? nil : $0 })
        }
      })
  }

  /// Hexadecimal digests; none for unreadable images, which are reported when they are needed.
  private static func contents(
    of items: [ImageDataset.Item], threadCount: Int
  ) throws -> [String?] {
    try ThreadPool.shared.map(items.count, threads: threadCount) { index in
      try? items[index].contentDigest()
    }.map { $0?.hexadecimal }
  }

  private init(_ entries: [Entry]) {
    self.entries = entries
    var byContent: [String: [Int]] = [:]
    var byPlace: [String: Int] = [:]
    for (index, entry) in entries.enumerated() {
      if let content = entry.content { byContent[content, default: []].append(index) }
      byPlace[entry.place] = index
    }
    self.byContent = byContent
    self.byPlace = byPlace
  }

  var text: String {
    let lines = entries.map { entry in
      let place = entry.place.replacing(["\"": "\"\""])
      return "\(entry.part.rawValue),\(entry.label),\"\(place)\",\(entry.content ?? "")"
    }
    return (["part,label,image,content"] + lines).joined(separator: "\n") + "\n"
  }

  /// The SHA-256 of the file, in hexadecimal.
  var digest: String { get throws { try SHA256Digest(of: text).hexadecimal } }

  /// Like ``digest``, for an existing file.
  static func digest(path: String) throws -> String {
    try SHA256Digest(of: TextFile.read(path, limit: byteLimit)).hexadecimal
  }

  /// Whether the same images are in the same parts and order; their folder may have moved.
  func isSame(as other: SplitFile) -> Bool {
    func name(_ entry: Entry) -> String { FilePath.name(of: entry.place) }
    return entries.count == other.entries.count
      && zip(entries, other.entries).allSatisfy { old, new in
        (old.part, old.label) == (new.part, new.label) && name(old) == name(new)
          && (old.content == nil || new.content == nil || old.content == new.content)
      }
  }

  /// The part of each image; `nil` for images unknown to the run.
  ///
  /// Contents identify images; paths only do if the file has no contents. Among equal images in
  /// several parts, the path decides, or else training takes precedence.
  package func parts(of items: [ImageDataset.Item], threadCount: Int) throws -> [Part?] {
    let contents =
      byContent.isEmpty
      ? [String?](repeating: nil, count: items.count)
      : try SplitFile.contents(of: items, threadCount: threadCount)
    return zip(items, contents).map { item, content in
      let place = byPlace[item.image.place]
      guard let content, let same = byContent[content] else {
        return place.flatMap { entries[$0].content == nil ? entries[$0].part : nil }
      }
      if let place, same.contains(place) { return entries[place].part }
      return same.contains { entries[$0].part == .training }
        ? .training : same.first.map { entries[$0].part }
    }
  }

  /// The split of the run that produced a model; `nil` for other models.
  package static func ofRun(model path: String) throws -> SplitFile? {
    let name = FilePath.name(of: path)
    let files = ["split.csv", "recipe.yaml"].map {
      FilePath.path($0, in: FilePath.folder(of: path))
    }
    guard ["model.onnx", "training.onnx"].contains(name),
      files.allSatisfy({ FileSystem.exists($0) })
    else { return nil }
    return try SplitFile(path: files[0])
  }
}
