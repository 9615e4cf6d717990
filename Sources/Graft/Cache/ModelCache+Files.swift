import GraftFiles
import GraftRuntime

extension ModelCache {
  /// A file of the cache.
  package struct File: Sendable {
    package var path: String
    package var byteCount: Int
    /// Nanoseconds since 1970.
    package var lastUse: Int
    /// Whether it is still being written, or was left by an aborted program.
    package var isUnfinished: Bool
  }

  /// An unfinished file older than this is a leftover.
  private static let unfinishedSeconds = 3600

  /// This user's cache files, least recently used first, and the number of other entries in the
  /// folder.
  package func entries() -> (files: [File], others: Int) {
    var files: [File] = []
    var others = 0
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      if let file = file(name) { files.append(file) } else { others += 1 }
    }
    files.sort { ($0.lastUse, $0.path) < ($1.lastUse, $1.path) }
    return (files, others)
  }

  package func files() -> [File] { entries().files }

  /// The file with this name; `nil` if it does not exist, or belongs to another program or user.
  private func file(_ name: String) -> File? {
    guard let kind = Kind(name: name) else { return nil }
    let path = "\(folder)/\(name)"
    guard let status = FileSystem.statusOfLink(path), status.st_mode & S_IFMT == S_IFREG,
      status.isOwn, kind == .unfinished || hasExpectedContent(path, kind)
    else { return nil }
    let identity = FileIdentity(status)
    return File(
      path: path, byteCount: identity.byteCount, lastUse: identity.modificationTime,
      isUnfinished: kind == .unfinished)
  }

  /// Whether a file's content matches its name.
  private func hasExpectedContent(_ path: String, _ kind: Kind) -> Bool {
    guard let file = try? InputDescriptor(path) else { return false }
    return switch kind {
    case .model: CompiledModel.isEnd(file)
    case .features: FeatureFile.isBeginning(file)
    case .content: ContentRecord(file) != nil
    case .unfinished: true
    }
  }

  /// Removes all files; programs that have mapped them keep their contents.
  ///
  /// - Returns: the removed files
  @discardableResult
  package func clear() -> [File] { files().filter { FileSystem.remove($0.path) == 0 } }

  /// Removes the least recently used files until the limit is met.
  func removeOldest(besides newest: String) {
    let now = time(nil)
    var kept: [File] = []
    for file in files() {
      let isAbandoned =
        file.isUnfinished && now - file.lastUse / 1_000_000_000 > ModelCache.unfinishedSeconds
      if isAbandoned { FileSystem.remove(file.path) } else { kept.append(file) }
    }
    var total = kept.reduce(0) { $0 + $1.byteCount }
    for file in kept where total > byteLimit {
      if file.path == newest || file.isUnfinished { continue }
      if FileSystem.remove(file.path) == 0 { total -= file.byteCount }
    }
    // The newest file alone exceeds the limit.
    if total > byteLimit { FileSystem.remove(newest) }
  }

  /// Sets the time of last use, stored as the modification time, since files here are never
  /// modified.
  func markAsUsed(_ path: String) { FileSystem.touch(path) }

  /// Creates the folder if needed, without access for others.
  func makeFolder() -> Bool { (try? TextFile.makeOwnFolder(folder)) != nil }

  /// The content records, by name.
  func recordNames() -> [String] {
    var names: [String] = []
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      if Kind(name: name) == .content { names.append(name) }
    }
    return names
  }

  /// The kind of a file, from its name.
  private enum Kind {
    case model, features, content, unfinished

    /// Compiled models and features are named after a hash, records after three numbers. Unfinished
    /// files have the process ID and a random number added.
    init?(name: String) {
      let parts = name.split(separator: ".", omittingEmptySubsequences: false)
      if parts.count > 2, parts.last == "tmp", Kind.isNumbers(parts[parts.count - 2], count: 2) {
        let finished = parts.dropLast(2).joined(separator: ".")
        guard finished == "model" || Kind(name: finished) != nil else { return nil }
        self = .unfinished
        return
      }
      guard parts.count == 2 else { return nil }
      switch parts[1] {
      case "model" where Kind.isDigest(parts[0]): self = .model
      case "features" where Kind.isDigest(parts[0]): self = .features
      case "content" where Kind.isNumbers(parts[0], count: 3): self = .content
      default: return nil
      }
    }

    private static func isDigest(_ text: Substring) -> Bool {
      text.utf8.count == 32
        && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    private static func isNumbers(_ text: Substring, count: Int) -> Bool {
      let numbers = text.split(separator: "-", omittingEmptySubsequences: false)
      return numbers.count == count
        && numbers.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (48...57).contains($0) } }
    }
  }
}
