import ArgumentParser
import Foundation
import Graft
import GraftFiles

/// `graft cache`: compiled models and features of images.
struct CacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "List or remove compiled models and features of images.",
    discussion: """
      The first run of a model keeps its weights in the form that kernels want, and \
      `graft finetune` what a frozen trunk makes of each image, in the folder `compiled` \
      of $GRAFT_HOME, else of the XDG cache folder, so that later runs start faster. \
      GRAFT_CACHE_LIMIT (default 4G) is how much that may take; 0 keeps nothing.
      """,
    subcommands: [List.self, Clear.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is kept.")

    func run() throws {
      guard let cache = try standardCache() else {
        return try print("Nothing is kept: GRAFT_CACHE_LIMIT is 0, or there is no cache folder.")
      }
      let entries = cache.entries()
      let files = Array(entries.files.reversed())
      var rows = [["what it is", "size", "last used", "file"]]
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
    static let configuration = CommandConfiguration(abstract: "Remove all that is kept.")

    func run() throws {
      guard let cache = try standardCache() else { return }
      let removed = cache.clear()
      let bytes = Terminal.bytes(removed.reduce(0) { $0 + $1.byteCount })
      try print("removed \(removed.count) files (\(bytes))")
      try printOthers(cache.entries().others, in: cache)
    }
  }

  /// The cache that the environment names; says so if its folder is none.
  private static func standardCache() throws -> ModelCache? {
    guard let cache = try ModelCache.standard() else { return nil }
    do {
      try TextFile.requireFolder(cache.folder)
    } catch let error as GraftError {
      CommandLineProgram.warn("\(error); nothing is kept there")
    }
    return cache
  }

  /// Says what was left alone.
  private static func printOthers(_ count: Int, in cache: ModelCache) throws {
    guard count > 0 else { return }
    try print(
      count == 1
        ? "1 other entry of \(cache.folder) is not Graft's or not this user's and was left alone"
        : "\(count) other entries of \(cache.folder) are not Graft's or not this user's and were left alone"
    )
  }
}
