import GraftFiles
import GraftRuntime

extension ModelCache {
  /// A file of the cache.
  package struct File: Sendable {
    package var path: String
    package var byteCount: Int
    /// Nanoseconds since 1970.
    package var lastUse: Int
    /// Whether it is still being written, or was left behind by a program that was stopped.
    package var isUnfinished: Bool
  }

  /// A file without its name that is older than this was left behind.
  private static let unfinishedSeconds = 3600

  /// The files of this user's programs, the one that was used longest ago first, and how many entries of
  /// the folder are something else.
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

  /// The file of this name; `nil` if there is none, or it is not Graft's or not this user's.
  private func file(_ name: String) -> File? {
    guard let kind = Kind(name: name) else { return nil }
    let path = "\(folder)/\(name)"
    guard let status = FileSystem.statusOfLink(path), status.st_mode & S_IFMT == S_IFREG,
      status.isOwn, kind == .unfinished || isGrafts(path, kind)
    else { return nil }
    let identity = FileIdentity(status)
    return File(
      path: path, byteCount: identity.byteCount, lastUse: identity.modificationTime,
      isUnfinished: kind == .unfinished)
  }

  /// Whether a file holds what its name says.
  private func isGrafts(_ path: String, _ kind: Kind) -> Bool {
    guard let file = try? InputDescriptor(path) else { return false }
    return switch kind {
    case .model: CompiledModel.isEnd(file)
    case .features: FeatureFile.isBeginning(file)
    case .content: ContentRecord(file) != nil
    case .unfinished: true
    }
  }

  /// Removes all files; programs that have them mapped keep what they have.
  ///
  /// - Returns: those that were removed
  @discardableResult
  package func clear() -> [File] { files().filter { FileSystem.remove($0.path) == 0 } }

  /// Removes the files that were used longest ago, until the others keep the limit.
  func removeOldest(besides newest: String) {
    let now = time(nil)
    var kept: [File] = []
    for file in files() {
      let isLeftBehind =
        file.isUnfinished && now - file.lastUse / 1_000_000_000 > ModelCache.unfinishedSeconds
      if isLeftBehind { FileSystem.remove(file.path) } else { kept.append(file) }
    }
    var total = kept.reduce(0) { $0 + $1.byteCount }
    for file in kept where total > byteLimit {
      if file.path == newest || file.isUnfinished { continue }
      if FileSystem.remove(file.path) == 0 { total -= file.byteCount }
    }
    // Alone larger than the limit.
    if total > byteLimit { FileSystem.remove(newest) }
  }

  /// Sets the time of the last use, which is that of the last change: nothing else changes files here.
  func markAsUsed(_ path: String) { FileSystem.touch(path) }

  /// Makes the folder, which nobody else may look into, unless it is there; others may not write it.
  func makeFolder() -> Bool { (try? TextFile.makeOwnFolder(folder)) != nil }

  /// The content records, by name.
  func recordNames() -> [String] {
    var names: [String] = []
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      if Kind(name: name) == .content { names.append(name) }
    }
    return names
  }

  /// What the name of a file says.
  private enum Kind {
    case model, features, content, unfinished

    /// Compiled models and features are named after a hash, records after three numbers. Until they are
    /// complete, the number of the process and a random number are added.
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
