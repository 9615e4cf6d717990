import GraftRuntime

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension ModelCache {
  /// A file of the cache.
  package struct File: Sendable {
    package var path: String
    package var byteCount: Int
    /// Nanoseconds since 1970.
    package var lastUse: Int
  }

  /// A file without its name that is older than this was left behind.
  private static let unfinishedSeconds = 3600
  private static let unfinishedSuffix = ".tmp"

  /// All files, the one that was used longest ago first.
  package func files() -> [File] {
    names().compactMap { name -> File? in
      let path = "\(folder)/\(name)"
      guard let identity = FileIdentity(path: path) else { return nil }
      return File(
        path: path, byteCount: identity.byteCount, lastUse: identity.modificationTime)
    }.sorted { ($0.lastUse, $0.path) < ($1.lastUse, $1.path) }
  }

  /// Removes all files; programs that have them mapped keep what they have.
  package func clear() {
    for file in files() { FileSystem.remove(file.path) }
  }

  /// Removes the files that were used longest ago, until the others keep the limit.
  func removeOldest(besides newest: String) {
    let now = time(nil)
    var kept: [File] = []
    for file in files() {
      let isLeftBehind =
        file.path.hasSuffix(ModelCache.unfinishedSuffix)
        && now - file.lastUse / 1_000_000_000 > ModelCache.unfinishedSeconds
      if isLeftBehind { FileSystem.remove(file.path) } else { kept.append(file) }
    }
    var total = kept.reduce(0) { $0 + $1.byteCount }
    for file in kept where total > byteLimit {
      if file.path == newest || file.path.hasSuffix(ModelCache.unfinishedSuffix) { continue }
      if FileSystem.remove(file.path) == 0 { total -= file.byteCount }
    }
    // Alone larger than the limit.
    if total > byteLimit { FileSystem.remove(newest) }
  }

  /// Sets the time of the last use, which is that of the last change: nothing else changes files here.
  func markAsUsed(_ path: String) { FileSystem.touch(path) }

  func names() -> [String] {
    var names: [String] = []
    _ = FileSystem.forEachEntry(inFolder: folder) { name, _ in
      if name.utf8.first != UInt8(ascii: ".") { names.append(name) }
    }
    return names
  }
}
