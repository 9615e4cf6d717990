import ArgumentParser
import Foundation
import Graft

/// `graft cache`: compiled models and features of pictures.
struct CacheCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "List or remove compiled models and features of pictures.",
    discussion: """
      The first run of a model keeps its weights in the form that kernels want, and
      `graft finetune` what a frozen trunk makes of each picture, in the folder `compiled`
      of $GRAFT_HOME, else of the XDG cache folder, so that later runs start faster.
      GRAFT_CACHE_LIMIT (default 4G) is how much that may take; 0 keeps nothing.
      """,
    subcommands: [List.self, Clear.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is kept.")

    func run() throws {
      guard let cache = try ModelCache.standard() else { return }
      let files = cache.files().reversed()
      var rows = [["file", "size", "last used"]]
      rows += files.map { file in
        let date = Date(timeIntervalSince1970: Double(file.lastUse) / 1e9)
        return [file.path, Terminal.bytes(file.byteCount), date.formatted(.iso8601)]
      }
      print(Terminal.table(rows, rightAligned: [1]))
      print("\(Terminal.bytes(files.reduce(0) { $0 + $1.byteCount })) in all")
    }
  }

  struct Clear: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove all that is kept.")

    func run() throws { try ModelCache.standard()?.clear() }
  }
}
