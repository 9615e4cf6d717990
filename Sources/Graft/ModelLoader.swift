import GraftData
import GraftExecution
import GraftFiles
import GraftGraph
import GraftKeras
import GraftModels
import GraftONNX
import GraftPasses
import GraftRuntime
import GraftVision

/// Finds a model by name or path and reads it into a graph.
package struct ModelLoader {
  /// A weight file to use instead of the one of a named model.
  package var weights: String?
  /// Whether to include the dense layers of known architectures.
  package var includeTop: Bool
  /// Inputs of an ONNX model that the caller sets in spite of their defaults.
  package var givenInputs: Set<ByteString>
  /// Whether calls of an ONNX file's own functions stay calls; only for writing the model again.
  package var keepsFunctions = false
  /// Receives remarks for the user about how a reference was interpreted.
  private let remark: (String) -> Void

  package init(
    weights: String? = nil, includeTop: Bool = true, givenInputs: Set<ByteString> = [],
    remark: @escaping (String) -> Void = { _ in }
  ) {
    self.weights = weights
    self.includeTop = includeTop
    self.givenInputs = givenInputs
    self.remark = remark
  }

  /// The graph of a model: an ONNX file, an HDF5 file with weights of a known architecture, or the
  /// name of a model in the manifest, of an added file or of the embedded model.
  ///
  /// Names take precedence over files in the working directory: `./vgg16` is a file.
  /// - Throws: `GraftError` that says what is missing and where it comes from
  package func graph(_ reference: String) throws -> Graph { try source(reference).read(false) }

  /// Finds a model without reading it.
  ///
  /// - Throws: `GraftError` like ``graph(_:)``, if there is no such name or file
  package func find(_ reference: String) throws { _ = try source(reference) }

  /// The graph of the model in a file, even if a model has the file's name.
  package func graph(ofFile path: String) throws -> Graph { try source(file: path).read(false) }

  /// Like ``graph(_:)``, but for display: allows unknown operators, and includes the outline of the
  /// file if it has one.
  package func outlined(_ reference: String) throws -> (Graph, GraphOutline?) {
    let source = try source(reference)
    let graph = try source.read(true)
    return (graph, try withPlace(reference) { try source.outline() })
  }

  /// A known architecture without top, with random weights, for training from scratch.
  ///
  /// - Throws: `GraftError` that lists the names, if it is not one of them
  package static func randomTrunk(_ name: String, seed: UInt64) throws -> Graph {
    var generator = SeededGenerator(seed: seed)
    var graph = try ScratchArchitecture.named(name).build(&generator)
    graph.metadata[featuresKey] = "1"
    return graph
  }

  /// Like ``graph(_:)``, or the compiled form from `cache`.
  ///
  /// - Parameters:
  ///   - cache: the cache of compiled models; `nil` for none
  ///   - options: how the model will run, which determines its packed constants
  package func load(
    _ reference: String, batch: BatchRule = .declared, cache: ModelCache?,
    options: Executable.Options = .init()
  ) throws -> LoadedModel {
    let source = try source(reference)
    // Compiled forms are optimized.
    let cache = options.optimizes ? cache : nil
    let threads = options.threadCount
    let tuning = try options.tuning.choices.isEmpty ? "" : ContentHash(of: options.tuning.text).text
    let variant = """
      \(source.variant), batch \(batch), precision \(options.precision.rawValue), \
      tuning \(tuning), backend \(options.backend.name)
      """
    if let path = source.path,
      let compilation = cache?.find(path: path, variant: variant, threads: threads),
      let found = compilation.found
    {
      return LoadedModel(found.graph, compilation: compilation)
    }
    let declared = try source.read(false)
    var graph = try withPlace(reference) { try batch.apply(to: declared) }
    graph.settleScores()
    graph.metadata[OutputEnd.metadataKey] = OutputEnd(of: graph).rawValue
    return LoadedModel(
      graph,
      compilation: source.path == nil
        ? nil
        : cache?.compilation(sourceFiles: graph.sourceFiles, variant: variant, threads: threads))
  }

  /// A file, and how it becomes a graph.
  private struct Source {
    /// `nil` for the embedded model, which has no cached form.
    let path: String?
    /// Everything that the graph depends on besides the file.
    let variant: String
    /// Reads it, either only for display or to run it.
    let read: (_ isForDisplay: Bool) throws -> Graph

    /// The outline of an ONNX file; `nil` for other files.
    func outline() throws -> GraphOutline? {
      guard let path else { return try GraphOutline(onnx: EmbeddedModel.file) }
      guard !(FileKind.recognize(path: path)?.isHDF5 ?? false) else { return nil }
      return try GraphOutline(onnx: Storage.mappedFile(path: path))
    }
  }

  private func source(_ reference: String) throws -> Source {
    let exists = FileSystem.exists(reference)
    // Skips the store for references that cannot be names.
    if exists, !ModelStore.isName(reference) { return try source(givenFile: reference) }
    guard reference != EmbeddedModel.name else {
      noteNameConflict(reference)
      guard weights == nil else {
        throw GraftError.usage(
          "--weights requires the name of an architecture, but '\(reference)' has its own weights",
          hint: "Set it with --model, such as vgg16")
      }
      return Source(path: nil, variant: "embedded") { _ in
        try withPlace(reference) { try ONNXImporter().graph(EmbeddedModel.file) }
      }
    }
    let store: ModelStore
    do {
      store = try ModelStore()
    } catch {
      // Without a store there are no other names.
      guard exists else { throw error }
      return try source(givenFile: reference)
    }
    let names = store.list().flatMap { [$0.name] + $0.aliases } + [EmbeddedModel.name]
    guard names.contains(reference) else {
      if exists { return try source(givenFile: reference) }
      let near = nearestNamesHint(reference, among: names)
      if reference.contains("/") || reference.contains("."), near == nil {
        throw GraftError(.noInput, "no such file", places: [reference])
      }
      let isArchitecture = ScratchArchitecture.names.contains(reference)
      throw GraftError(
        .noInput, "there is no file or model named '\(reference)'",
        hint: (near ?? "`graft models list` shows the names")
          + (isArchitecture ? " `graft train --model \(reference)` trains one from scratch" : ""))
    }
    noteNameConflict(reference)
    let entry = try store.entry(named: reference)
    let path = try weights ?? store.path(for: reference)
    guard let model = entry.model else {
      guard weights == nil, !entry.metadata.isEmpty else { return source(file: path) }
      let said = entry.metadata
      let words = said.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let hash = try ContentHash(of: words.joined(separator: "\n")).text
      return Source(path: path, variant: "file, top \(includeTop), said \(hash)") { isForDisplay in
        var graph = try graph(file: path, isForDisplay: isForDisplay)
        for (key, text) in said { graph.metadata[key] = text }
        return graph
      }
    }
    return Source(path: path, variant: "model \(model.name), top \(includeTop)") { isForDisplay in
      try graph(model, path: path, isForDisplay: isForDisplay)
    }
  }

  /// Adds a remark if there is a file with a model's name.
  private func noteNameConflict(_ name: String) {
    guard FileSystem.exists(name), !FileSystem.isFolder(name) else { return }
    remark("'\(name)' is used as the name of a model; use ./\(name) for the file")
  }

  /// - Throws: `GraftError` if a weight file was given too
  private func source(givenFile path: String) throws -> Source {
    guard weights == nil else {
      throw GraftError.usage("--weights requires a model's name, but '\(path)' is a file")
    }
    return source(file: path)
  }

  private func source(file path: String) -> Source {
    Source(path: path, variant: "file, top \(includeTop)") { isForDisplay in
      try graph(file: path, isForDisplay: isForDisplay)
    }
  }

  private func graph(
    _ model: ModelManifest.Model, path: String, isForDisplay: Bool
  ) throws -> Graph {
    var graph: Graph
    if model.format == .kerasHDF5, let name = model.architecture {
      graph = try withPlace(path) {
        guard let architecture = KnownArchitecture.named(name) else {
          throw GraftError(.software, "there is no architecture '\(name)'")
        }
        return try self.graph(
          architecture, KerasWeights.read(path),
          includeTop: includeTop && model.includesTop != false)
      }
    } else {
      graph = try self.graph(file: path, isForDisplay: isForDisplay)
    }
    if graph.metadata[preprocessingKey] == nil {
      graph.metadata[preprocessingKey] = model.preprocessing
    }
    if graph.metadata[Scores.metadataKey] == nil, includeTop {
      graph.metadata[Scores.metadataKey] = Scores(rawValue: model.output.rawValue)?.rawValue
    }
    if let labels = model.labels, graph.metadata[Labels.metadataKey] == nil, includeTop {
      graph.metadata[Labels.metadataKey] = try Labels.named(labels).metadataValue
    }
    return graph
  }

  /// The metadata key that marks a network with features instead of classes.
  static let featuresKey = "graft.features"

  private var preprocessingKey: String { Preprocessing.MetadataKey.name.rawValue }

  private func graph(file path: String, isForDisplay: Bool) throws -> Graph {
    guard FileKind.recognize(path: path)?.isHDF5 ?? false else {
      var importer = ONNXImporter(givenInputs: givenInputs)
      importer.keepsOlderForms = isForDisplay
      importer.keepsFunctions = keepsFunctions
      return try importer.graph(path: path)
    }
    let weights = try KerasWeights.read(path)
    return try withPlace(path) {
      guard let architecture = KnownArchitecture.matching(weights) else {
        throw GraftError.unsupported(
          "its layers match no known architecture",
          hint: "Supported architectures are \(KnownArchitecture.names.joined(separator: ", "))")
      }
      return try graph(
        architecture, weights, includeTop: includeTop && architecture.hasTop(weights))
    }
  }

  private func graph(
    _ architecture: KnownArchitecture, _ weights: KerasWeights, includeTop: Bool
  ) throws -> Graph {
    var graph = try architecture.graph(weights, includeTop: includeTop)
    graph.sourceFiles = weights.source.map { [$0] } ?? []
    if !includeTop { graph.metadata[ModelLoader.featuresKey] = "1" }
    return graph
  }
}
