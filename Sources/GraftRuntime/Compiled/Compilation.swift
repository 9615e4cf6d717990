import GraftTensor
import GraftExecution
import GraftGraph
import Synchronization

/// How one model gets its compiled form, and where that is kept.
///
/// The first start runs from the graph as it was read, and ``store(_:)`` writes the compiled form once
/// the kernels have packed their constants. Later starts begin with what was ``found``. A cache folder
/// that cannot be written is none.
package final class Compilation: Sendable {
  /// Where a compiled model is kept, and what it is made for.
  package struct Destination: Sendable {
    package var path: String
    package var key: String

    package init(path: String, key: String) {
      self.path = path
      self.key = key
    }
  }

  package let found: CompiledModel?
  private let folder: String
  private let sourceFiles: [Graph.SourceFile]
  private let destination: @Sendable () throws -> Destination?
  private let didStore: @Sendable (Destination) -> Void
  private let writer = Mutex<WriterBox?>(nil)

  /// Only ever used under the lock above.
  private struct WriterBox: @unchecked Sendable {
    let writer: CompiledModelWriter
  }

  /// Models with smaller constants start fast enough as they are.
  private static let leastByteCount = 1 << 20

  /// - Parameters:
  ///   - folder: Where files are written before they get their names.
  ///   - sourceFiles: What the model was read from.
  ///   - destination: Looked up when the model is stored, as it may take a hash of the model's content;
  ///     `nil` if the model is not to be kept after all.
  ///   - didStore: Called when a file was written.
  package init(
    found: CompiledModel?, folder: String, sourceFiles: [Graph.SourceFile],
    destination: @escaping @Sendable () throws -> Destination?,
    didStore: @escaping @Sendable (Destination) -> Void = { _ in }
  ) {
    self.found = found
    self.folder = folder
    self.sourceFiles = sourceFiles
    self.destination = destination
    self.didStore = didStore
  }

  /// Moves the large constants that lowering made into the file that is going to be the compiled model.
  func moveConstants(of graph: inout Graph, threadCount: Int) {
    guard graph.constants.values.contains(where: CompiledModelWriter.moves) else { return }
    try? writer.withLock { box in
      let new = try CompiledModelWriter(
        folder: folder, modelFiles: sourceFiles, threadCount: threadCount)
      try new.moveConstants(of: &graph)
      box = WriterBox(writer: new)
    }
  }

  /// Writes the compiled form of `executable`, unless all of it is there already.
  ///
  /// - Returns: Whether a file was written.
  /// - Throws: `GraftError` if the file cannot be written.
  @discardableResult
  package func store(_ executable: Executable) throws -> Bool {
    try writer.withLock { box in
      defer { box = nil }
      guard found == nil || executable.packedConstants.hasNews,
        executable.graph.parameters.isEmpty
      else { return false }
      let items = try executable.packedConstants.soundItems()
      guard isWorthKeeping(executable.graph, items), let destination = try destination() else {
        return false
      }
      let writer =
        try box?.writer
        ?? CompiledModelWriter(
          folder: folder, modelFiles: sourceFiles, threadCount: executable.options.threadCount)
      try writer.commit(
        as: destination.path, key: destination.key, graph: executable.graph,
        inputNames: executable.inputNames, outputNames: executable.outputNames,
        packedConstants: items, generatedMemory: executable.generatedMemory)
      didStore(destination)
      return true
    }
  }

  private func isWorthKeeping(_ graph: Graph, _ items: [PackedConstants.Item]) -> Bool {
    let byteCount =
      graph.constants.values.reduce(0) { $0 + $1.byteCount }
      + items.reduce(0) { $0 + $1.packed.byteCount }
    return byteCount >= Compilation.leastByteCount
  }
}
