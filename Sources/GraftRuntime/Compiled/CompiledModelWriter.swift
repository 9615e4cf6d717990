import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor

/// Writes a compiled model into a file of the cache folder, which gets its name at the end.
///
/// Constants that lowering made move to the file before anything runs: the system can take their
/// memory back then, once they are packed.
final class CompiledModelWriter {
  private let file: AtomicFile
  private let modelFiles: [Graph.SourceFile]
  private let threadCount: Int
  /// Where tensors of this file's earlier mappings are, by their storage.
  private var writtenStorages: [ObjectIdentifier: Storage] = [:]

  /// Smaller constants stay where they are until the end.
  private static let movedByteCount = 1 << 16

  /// - Throws: `GraftError` if no file can be made in `folder`.
  init(folder: String, modelFiles: [Graph.SourceFile], threadCount: Int) throws {
    file = try AtomicFile(
      path: "\(folder)/model", mode: AtomicFile.ownMode, replacesSpecialFiles: true)
    self.modelFiles = modelFiles
    self.threadCount = threadCount
  }

  /// Moves large constants that lie on the heap to the file.
  static func moves(_ tensor: Tensor) -> Bool {
    tensor.storage.file == nil && tensor.byteCount >= movedByteCount
  }

  func moveConstants(of graph: inout Graph) throws {
    var places: [ValueID: Int] = [:]
    for (id, tensor) in graph.constants where CompiledModelWriter.moves(tensor) {
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

  /// Writes everything that is not there yet, the index and the trailer.
  ///
  /// - Parameter path: The file's name, in the folder.
  func commit(
    as path: String, key: String, graph: Graph, inputNames: [String], outputNames: [String],
    packedConstants: [PackedConstants.Item], generatedMemory: Lowering.GeneratedMemory
  ) throws {
    var graphWriter = GraphWriter()
    graphWriter.add(graph)
    var items = ByteWriter()
    items.add(packedConstants) { bytes, item in
      bytes.add(graphWriter.tensors.add(item.source))
      bytes.add(graphWriter.tensors.add(item.packed))
      bytes.add(item.format)
    }
    var index = ByteWriter()
    index.add(key)
    index.add(modelFiles) { $0.add($1.identity.byteCount) }
    try index.add(graphWriter.tensors.tensors) { try self.add($1, to: &$0) }
    for names in [inputNames, outputNames] { index.add(names) { $0.add($1) } }
    index.add(generatedMemory.byteCount)
    index.add(generatedMemory.peakByteCount)
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

  /// Returns where the elements begin.
  private func append(_ tensor: Tensor) throws -> Int {
    let isLarge = tensor.byteCount >= CompiledModelWriter.movedByteCount
    try file.pad(to: isLarge ? CompiledModel.pageByteCount : CompiledModel.alignment)
    let start = file.byteCount
    try tensor.withUnsafeBytes { try file.write($0) }
    return start
  }
}
