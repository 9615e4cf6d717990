import ArgumentParser
import FoundationEssentials
import Graft
import GraftFiles

/// `graft cache`: compiled models and image features.
struct CacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "List or remove compiled models and image features.",
    discussion: """
      The first run of a model caches its weights in the layout of the kernels, and \
      `graft finetune` caches the features of each image, so that later runs start faster. \
      They are in the folder `compiled` of $GRAFT_HOME, or else of the XDG cache folder. \
      GRAFT_CACHE_LIMIT (default 4G) limits their size; 0 disables the cache.
      """,
    subcommands: [List.self, Clear.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the cached files.")

    func run() throws {
      guard let cache = try standardCache() else {
        return try print("Nothing is cached: GRAFT_CACHE_LIMIT is 0, or there is no cache folder.")
      }
      let entries = cache.entries()
      let files = Array(entries.files.reversed())
      var rows = [["content", "size", "last used", "file"]]
      rows += zip(files, cache.contents(of: files)).map { file, content in
        let date = Date(timeIntervalSince1970: Double(file.lastUse) / 1e9)
        return [
          content.isEmpty ? "?" : content, Terminal.bytes(file.byteCount),
          date.formatted(.iso8601), String(file.path.dropFirst(cache.folder.count + 1)),
        ]
      }
      if !files.isEmpty { try print(Terminal.table(rows, rightAligned: [1])) }
      let total = Terminal.bytes(files.reduce(0) { $0 + $1.byteCount })
      try print("\(files.count) files, \(total), in \(cache.folder)")
      try printOthers(entries.others, in: cache)
    }
  }

  struct Clear: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove all cached files.")

    func run() throws {
      guard let cache = try standardCache() else { return }
      let removed = cache.clear()
      let bytes = Terminal.bytes(removed.reduce(0) { $0 + $1.byteCount })
      try print("removed \(removed.count) files (\(bytes))")
      try printOthers(cache.entries().others, in: cache)
    }
  }

  /// The cache that the environment configures; warns if its folder is unusable.
  private static func standardCache() throws -> ModelCache? {
    guard let cache = try ModelCache.standard() else { return nil }
    do {
      try TextFile.requireFolder(cache.folder)
    } catch let error as GraftError {
      CommandLineProgram.warn("\(error); nothing is cached there")
    }
    return cache
  }

  /// Reports entries that were left alone.
  private static func printOthers(_ count: Int, in cache: ModelCache) throws {
    guard count > 0 else { return }
    try print(
      count == 1
        ? "1 entry of \(cache.folder) belongs to another program or user and was left alone"
        : "\(count) entries of \(cache.folder) belong to other programs or users and were left "
          + "alone")
  }
}
