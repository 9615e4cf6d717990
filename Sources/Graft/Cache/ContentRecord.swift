import FoundationEssentials
import GraftExecution
import GraftFiles
import GraftGraph

/// A model's content hash and the state of its files then, so that later starts need not read them.
struct ContentRecord: Codable {
  struct File: Codable {
    /// Relative to the model's folder.
    var name: String
    var device: UInt64
    var inode: UInt64
    var byteCount: Int
    var modificationTime: Int
    var changeTime: Int

    var identity: FileIdentity {
      FileIdentity(
        device: device, inode: inode, byteCount: byteCount, modificationTime: modificationTime,
        changeTime: changeTime)
    }

    init(name: String, identity: FileIdentity) {
      self.name = name
      device = identity.device
      inode = identity.inode
      byteCount = identity.byteCount
      modificationTime = identity.modificationTime
      changeTime = identity.changeTime
    }
  }

  /// The model's own file first, then its external data.
  var files: [File]
  /// In hexadecimal.
  var hash: String
  /// Nanoseconds since 1970.
  var time: Int

  /// A file written just before hashing may have been written again within one tick of the clock.
  private static let certainAfter = 2_000_000_000

  /// A larger file is not a record.
  private static let byteLimit = 1 << 24

  init(files: [File], hash: String, time: Int) {
    self.files = files
    self.hash = hash
    self.time = time
  }

  /// The record in a file; `nil` if it is damaged.
  init?(_ file: InputDescriptor) {
    guard file.byteCount <= ContentRecord.byteLimit else { return nil }
    let json = Data(file.prefix(file.byteCount))
    guard let record = try? JSONDecoder().decode(ContentRecord.self, from: json) else { return nil }
    self = record
  }

  var content: ContentHash { get throws { try ContentRecord.parsed(hash) } }

  private static func parsed(_ hash: String) throws -> ContentHash {
    guard let content = ContentHash(text: hash) else { throw GraftError.badData("is not a hash") }
    return content
  }

  /// Whether the files are unchanged.
  func isCurrent(path: String) -> Bool {
    !files.isEmpty && ContentHash(text: hash) != nil
      && sourceFiles(path: path).allSatisfy { FileIdentity(path: $0.path) == $0.identity }
      && files.allSatisfy { file in
        let (age, overflow) = time.subtractingReportingOverflow(
          max(file.changeTime, file.modificationTime))
        return !overflow && age > ContentRecord.certainAfter
      }
  }

  /// The files, with the model's own at `path`.
  func sourceFiles(path: String) -> [Graph.SourceFile] {
    let folder = ContentRecord.folder(of: path)
    return files.enumerated().map { index, file in
      Graph.SourceFile(path: index == 0 ? path : folder + file.name, identity: file.identity)
    }
  }

  /// With a trailing slash.
  static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
  }
}

extension ModelCache {
  /// The record of a model's content, if it is known or worth hashing.
  func currentRecord(path: String, threads: Int) -> ContentRecord? {
    guard let identity = FileIdentity(path: path) else { return nil }
    if let record = record(recordPath(identity)), record.isCurrent(path: path) { return record }
    // Another file of this size is known, possibly with the same content.
    let prefix = "\(identity.byteCount)-"
    let known = recordNames().filter { $0.hasPrefix(prefix) }
    guard known.contains(where: { record("\(folder)/\($0)")?.files.count == 1 }) else {
      return nil
    }
    let file = Graph.SourceFile(path: path, identity: identity)
    guard let content = try? content(of: [file], threads: threads) else { return nil }
    return ContentRecord(
      files: [ContentRecord.File(name: "", identity: identity)], hash: content.text, time: 0)
  }

  /// The hash of a model's content, which is recorded.
  ///
  /// - Throws: `GraftError` if a file has changed
  func content(of sourceFiles: [Graph.SourceFile], threads: Int) throws -> ContentHash {
    let path = sourceFiles[0].path
    if let record = record(recordPath(sourceFiles[0].identity)), record.isCurrent(path: path),
      record.sourceFiles(path: path) == sourceFiles
    {
      return try record.content
    }
    let folder = ContentRecord.folder(of: path)
    var hashes: [ContentHash] = []
    var files: [ContentRecord.File] = []
    for file in sourceFiles {
      let name = file.path.hasPrefix(folder) ? file.path.dropFirst(folder.count) : file.path[...]
      hashes.append(
        try ContentHash(path: file.path, identity: file.identity) {
          try ThreadPool.shared.map($0, threads: threads, $1)
        })
      files.append(ContentRecord.File(name: String(name), identity: file.identity))
    }
    let names = files.dropFirst().map { ["", $0.name] }.flatMap { $0 }
    let content =
      hashes.count == 1
      ? hashes[0]
      : try ContentHash(of: (hashes.map(\.text) + names).joined(separator: "\n"))
    let record = ContentRecord(
      files: files, hash: content.text, time: SystemTime.sinceEpoch)
    let json = try JSONEncoder().encode(record)
    try json.withUnsafeBytes {
      try AtomicFile.write(
        $0, to: recordPath(files[0].identity), mode: AtomicFile.ownMode, replacesSpecialFiles: true)
    }
    return content
  }

  static let recordSuffix = ".content"

  func recordPath(_ identity: FileIdentity) -> String {
    "\(folder)/\(identity.byteCount)-\(identity.device)-\(identity.inode)\(ModelCache.recordSuffix)"
  }

  func record(_ path: String) -> ContentRecord? {
    (try? InputDescriptor(own: path)).flatMap { ContentRecord($0) }
  }
}
