import ArgumentParser
import Graft
import GraftFiles
import GraftGraph
import GraftModels

/// `graft models`: models by name.
struct ModelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List, download, add, remove and locate models by name.",
    discussion: """
      Files are in $GRAFT_HOME, or else in the XDG cache folder. With GRAFT_OFFLINE=1 the \
      network is never used.

      Examples:
        graft models list
        graft models pull squeezenet
        graft models add vgg16 Downloads/vgg16_weights_tf_dim_ordering_tf_kernels.h5
        graft models add birds birds.onnx --preprocess torch --labels birds.txt
        graft models remove birds
      """,
    subcommands: [List.self, Path.self, Pull.self, Add.self, Remove.self],
    defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show all known models.")

    func run() throws {
      let store = try ModelStore()
      var rows = [
        ["name", "also called", "size", "installed", "description"],
        [
          EmbeddedModel.name, "", Terminal.bytes(EmbeddedModel.byteCount), "built in",
          EmbeddedModel.summary,
        ],
      ]
      for entry in store.list() {
        let size = entry.byteCount ?? entry.model?.size
        rows.append([
          entry.name, entry.aliases.joined(separator: ", "), size.map(Terminal.bytes) ?? "?",
          entry.isPresent ? "yes" : "no", entry.summary,
        ])
      }
      try print(Terminal.table(rows, rightAligned: [2]))
    }
  }

  struct Path: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print the path of a model's file; fail if it is not installed.")

    @Argument(help: "A name from `graft models list`.")
    var name: String

    func run() throws {
      try print(ModelStore().path(for: name))
    }
  }

  struct Pull: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Download a model; an interrupted download is resumed.")

    @Argument(help: "A name from `graft models list`.")
    var name: String

    func run() throws {
      let bar = DownloadBar(name: name)
      let store = try ModelStore()
      let entry = try store.entry(named: name)
      let path = try store.pull(name) { bar.show($0) }
      bar.finish()
      if entry.model == nil {
        let official = store.manifest.model(named: name).map {
          "; 'graft models remove \(entry.name)' restores \($0.name)'s own file"
        }
        CommandLineProgram.note(
          "nothing was downloaded, as '\(name)' is a file that was added\(official ?? "")")
      }
      try print(path)
    }
  }

  struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Register your own file under a name.",
      discussion: """
        The file is not copied if the file system supports hard links. Do not change it \
        in place; replacing it by a new file is safe.

        Preprocessing and class names come from the options, or else from the file. \
        The known properties of a listed model apply to its official file only. \
        The name of the built-in model (\(EmbeddedModel.name)) is reserved.
        """)

    @Argument(help: "A listed name or a new one.")
    var name: String

    @Argument(help: "The file.")
    var file: String

    @OptionGroup var image: ImageOptions

    func run() throws {
      var graph = try ModelLoader().graph(ofFile: file)
      guard graph.sourceFiles.count <= 1 else {
        throw GraftError.usage(
          "has its weights in separate files, which would not be found",
          hint: "Convert it to one file first: graft convert \(Terminal.quoted(file)) NEW.onnx"
        ).at(file)
      }
      let own = graph.metadata
      try image.describe(&graph, of: file)
      try withPlace(file) { try graph.checkDescription() }
      // Options are described by Graft's own keys.
      let said = Dictionary(
        graph.metadata.filter { own[$0.key] != $0.value }.map { ($0.key.text, $0.value) },
        uniquingKeysWith: { first, _ in first })
      let store = try ModelStore()
      let entry = try store.add(name, file: file, metadata: said)
      if entry.model == nil, let official = store.manifest.model(named: name) {
        CommandLineProgram.note(
          "'\(name)' now refers to this file instead of the official one of \(official.name); "
            + "'graft models remove \(name)' restores that")
      }
      let checksum = entry.addedChecksum.map { " (\($0))" } ?? ""
      try print("\(entry.name): \(entry.path)\(checksum)")
    }
  }

  struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove the file of a model that was downloaded or added.")

    @Argument(help: "A name from `graft models list`.")
    var name: String

    func run() throws {
      try print("removed \(ModelStore().remove(name))")
    }
  }
}

/// The progress of a download on standard error: a bar on a terminal, otherwise occasional lines.
private final class DownloadBar {
  private let name: String
  private var lastUpdate: UInt64 = 0
  private var hasShown = false

  init(name: String) { self.name = name }

  /// Nanoseconds between updates.
  private var interval: UInt64 { Terminal.isErrorTerminal ? 100_000_000 : 5_000_000_000 }

  func show(_ progress: DownloadProgress) {
    let now = SystemTime.monotonic
    guard now - lastUpdate >= interval else { return }
    lastUpdate = now
    hasShown = true
    var text = "\(name)  \(Terminal.bytes(progress.receivedByteCount))"
    if let total = progress.totalByteCount, total > 0 {
      let fraction = Double(progress.receivedByteCount) / Double(total)
      if Terminal.isErrorTerminal { text = "\(name)  \(Terminal.bar(fraction, width: 24))" }
      text += String(printf: "  %3.0f %% of ", fraction * 100) + Terminal.bytes(total)
    }
    text += "  \(Terminal.bytes(Int(progress.bytesPerSecond)))/s"
    if let left = progress.secondsLeft { text += String(printf: "  %.0f s left", left) }
    if Terminal.isErrorTerminal {
      Output.redrawErrorLine(text)
    } else {
      Output.writeError(text + "\n")
    }
  }

  func finish() {
    if hasShown, Terminal.isErrorTerminal { Output.writeError("\n") }
  }
}
