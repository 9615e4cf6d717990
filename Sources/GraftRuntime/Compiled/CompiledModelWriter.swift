import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor
import Synchronization

/// Writes a model's compiled form to a file, which is renamed at the end.
///
/// Constants from lowering move to the file before the first run, so that the system can reclaim
/// their memory once they are packed.
package final class CompiledModelWriter: Sendable {
  private let folder: String
  private let modelFiles: [Graph.SourceFile]
  private let threadCount: Int
  private let draft = Mutex<CompiledModelDraft?>(nil)

  /// - Parameters:
  ///   - folder: the folder of the file
  ///   - modelFiles: the files of the model
  package init(folder: String, modelFiles: [Graph.SourceFile], threadCount: Int) {
    self.folder = folder
    self.modelFiles = modelFiles
    self.threadCount = threadCount
  }

  /// Moves the large constants from lowering to the file, if it can be created.
  func moveConstants(of graph: inout Graph) {
    guard graph.constants.values.contains(where: CompiledModelDraft.moves) else { return }
    try? draft.withLock { draft in
      let new = try makeDraft()
      try new.moveConstants(of: &graph)
      draft = new
    }
  }

  /// Writes everything that is still missing.
  ///
  /// - Parameters:
  ///   - path: the final path, in the folder
  ///   - key: the key of the compiled form
  /// - Throws: `GraftError` if the file cannot be written
  package func write(_ model: CompiledModel, as path: String, key: String) throws {
    try draft.withLock { draft in
      defer { draft = nil }
      try (draft ?? makeDraft()).commit(model, as: path, key: key)
    }
  }

  /// Removes the file, unless it has been renamed.
  package func discard() { draft.withLock { $0 = nil } }

  private func makeDraft() throws -> CompiledModelDraft {
    try CompiledModelDraft(folder: folder, modelFiles: modelFiles, threadCount: threadCount)
  }
}

/// A compiled model's unfinished file; only used under the writer's lock.
private final class CompiledModelDraft: @unchecked Sendable {
  private let file: AtomicFile
  private let modelFiles: [Graph.SourceFile]
  private let threadCount: Int
  /// The storages of tensors in this file's earlier mappings.
  private var writtenStorages: [ObjectIdentifier: Storage] = [:]

  /// Smaller constants are written at the end.
  private static let movedByteCount = 1 << 16

  /// - Throws: `GraftError` if no file can be created in `folder`
  init(folder: String, modelFiles: [Graph.SourceFile], threadCount: Int) throws {
    file = try AtomicFile(
      path: "\(folder)/model", mode: AtomicFile.ownMode, replacesSpecialFiles: true)
    self.modelFiles = modelFiles
    self.threadCount = threadCount
  }

  /// Whether a constant is large and on the heap, and so moves to the file.
  static func moves(_ tensor: Tensor) -> Bool {
    tensor.storage.file == nil && tensor.byteCount >= movedByteCount
  }

  func moveConstants(of graph: inout Graph) throws {
    var places: [ValueID: Int] = [:]
    for (id, tensor) in graph.constants where CompiledModelDraft.moves(tensor) {
      places[id] = try append(tensor)
    }
    guard !places.isEmpty else { return }
    let storage = try file.mapped()
    writtenStorages[ObjectIdentifier(storage)] = storage
    for (id, byteOffset) in places {
      guard let tensor = graph.constants[id] else { continue }
      graph.constants[id] = try Tensor(
        elementType: tensor.elementType, shape: tensor.shape, storage: storage,
        byteOffset: byteOffset)
    }
  }

  /// Writes everything that is still missing, the index and the trailer.
  ///
  /// - Parameter path: the final path, in the same folder
  func commit(_ model: CompiledModel, as path: String, key: String) throws {
    var graphWriter = GraphWriter()
    graphWriter.add(model.graph)
    var items = ByteWriter()
    items.add(model.packedConstants) { bytes, item in
      bytes.add(graphWriter.tensors.add(item.source))
      bytes.add(graphWriter.tensors.add(item.packed))
      bytes.add(item.format)
    }
    var index = ByteWriter()
    index.add(key)
    index.add(modelFiles) { $0.add($1.identity.byteCount) }
    try index.add(graphWriter.tensors.tensors) { try self.add($1, to: &$0) }
    for names in [model.inputNames, model.outputNames] { index.add(names) { $0.add($1) } }
    index.add(model.generatedMemory.byteCount)
    index.add(model.generatedMemory.peakByteCount)
    try file.pad(to: CompiledModel.alignment)
    let start = file.byteCount
    let bytes = index.bytes + items.bytes + graphWriter.bytes.bytes
    try file.write(bytes)
    var trailer = ByteWriter()
    trailer.add(CompiledModel.magic)
    trailer.add(CompiledModel.formatVersion)
    trailer.add(start)
    trailer.add(bytes.count)
    trailer.add(Fingerprint(bytes).value)
    trailer.add(Fingerprint(trailer.bytes).value)
    try file.write(trailer.bytes)
    try file.commit(as: path)
  }

  private func add(_ tensor: Tensor, to bytes: inout ByteWriter) throws {
    bytes.add(Int(tensor.elementType.rawValue))
    bytes.add(tensor.shape) { $0.add($1) }
    if tensor.elementType == .string {
      bytes.add(UInt8(2))
      bytes.add(tensor.strings) { $0.add($1) }
    } else if let identity = tensor.storage.file,
      let number = modelFiles.firstIndex(where: { $0.identity == identity })
    {
      bytes.add(UInt8(0))
      bytes.add(number)
      bytes.add(tensor.byteOffset)
    } else {
      let isWritten = writtenStorages[ObjectIdentifier(tensor.storage)] != nil
      bytes.add(UInt8(1))
      bytes.add(isWritten ? tensor.byteOffset : try append(tensor))
      bytes.add(try tensor.fingerprint(threads: threadCount).value)
      tensor.releasePages()
    }
  }

  /// Returns the position of the elements.
  private func append(_ tensor: Tensor) throws -> Int {
    let isLarge = tensor.byteCount >= CompiledModelDraft.movedByteCount
    try file.pad(to: isLarge ? CompiledModel.pageByteCount : CompiledModel.alignment)
    let start = file.byteCount
    try tensor.withUnsafeBytes { try file.write($0) }
    return start
  }
}
