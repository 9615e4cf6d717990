import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor

/// A lowered model with its packed constants, mapped from a file of the cache folder.
///
/// The file has elements, then an index, then a trailer of fixed size with the position of the
/// index. Elements that are also in the model's own files are read from there. Trailer, index and
/// unpacked constants are checked here; packed constants on first use (``PackedConstants``), so
/// that little of the file becomes resident.
package struct CompiledModel: Sendable {
  package let graph: Graph
  package let inputNames: [String]
  package let outputNames: [String]
  let packedConstants: [PackedConstants.Item]
  /// The memory of constants that nodes generated when the graph was lowered.
  let generatedMemory: Lowering.GeneratedMemory

  /// Incremented when the file's structure changes.
  static let formatVersion = 2
  static let magic: UInt64 = 0x4c45_444f_4d54_4647
  /// The alignment of elements; that of large ones is a page.
  static let alignment = Storage.alignment
  static let pageByteCount = 4096
  static let trailerByteCount = 48

  /// The location of a tensor's elements.
  enum Place {
    case modelFile(Int, byteOffset: Int)
    case here(byteOffset: Int, fingerprint: Fingerprint)
    case strings([String])
  }

  init(
    graph: Graph, inputNames: [String], outputNames: [String],
    packedConstants: [PackedConstants.Item], generatedMemory: Lowering.GeneratedMemory
  ) {
    self.graph = graph
    self.inputNames = inputNames
    self.outputNames = outputNames
    self.packedConstants = packedConstants
    self.generatedMemory = generatedMemory
  }

  /// Bytes of the constants, packed ones among them.
  package var constantByteCount: Int {
    graph.constants.values.reduce(0) { $0 + $1.byteCount }
      + packedConstants.reduce(0) { $0 + $1.packed.byteCount }
  }

  /// Reads a compiled model, if no other user can have written it.
  ///
  /// - Parameters:
  ///   - key: the required key
  ///   - modelFiles: the model's own files, mapped, in the order of ``Graph/sourceFiles``
  /// - Throws: `GraftError` if the file does not exist, is damaged, or has another key
  package init(
    path: String, key: String, modelFiles: [Storage], threadCount: Int = 1
  ) throws {
    let input = try InputDescriptor(own: path)
    defer { withExtendedLifetime(input) {} }
    let file = try Storage.mappedFile(input, path: path)
    let index = try CompiledModel.index(of: file)
    var reader = ByteReader(index)
    guard try reader.string() == key else { throw GraftError.badData("belongs to another model") }
    let files = try reader.array { try $0.int() }
    guard files == modelFiles.map(\.byteCount) else {
      throw GraftError.badData("does not match the model's files")
    }
    let records = try reader.array { try TensorRecord(&$0) }
    let tensors = try records.map { try $0.tensor(in: file, modelFiles) }
    inputNames = try reader.array { try $0.string() }
    outputNames = try reader.array { try $0.string() }
    var memory = Lowering.GeneratedMemory()
    memory.byteCount = try reader.int()
    memory.peakByteCount = try reader.int()
    guard memory.byteCount >= 0, memory.peakByteCount >= memory.byteCount else {
      throw ByteReader.damage
    }
    generatedMemory = memory
    var isPacked = [Bool](repeating: false, count: tensors.count)
    packedConstants = try reader.array { reader in
      let (source, packed) = (try reader.int(), try reader.int())
      guard tensors.indices.contains(source), tensors.indices.contains(packed) else {
        throw ByteReader.damage
      }
      isPacked[packed] = true
      return PackedConstants.Item(
        source: tensors[source], format: try reader.string(), packed: tensors[packed],
        fingerprint: records[packed].fingerprint)
    }
    var graphReader = GraphReader(reader, tensors: tensors)
    graph = try graphReader.graph()
    guard graphReader.bytes.isAtEnd else { throw ByteReader.damage }
    for (record, isPacked) in zip(records, isPacked) where !isPacked {
      try record.check(input.number, threadCount)
    }
    withExtendedLifetime(file) {}
  }

  private static func index(of file: Storage) throws -> UnsafeRawBufferPointer {
    let bytes = UnsafeRawBufferPointer(start: file.baseAddress, count: file.byteCount)
    guard bytes.count >= trailerByteCount else { throw ByteReader.damage }
    let trailer = UnsafeRawBufferPointer(rebasing: bytes.suffix(trailerByteCount))
    var reader = ByteReader(trailer)
    let (magic, version) = (try reader.unsigned(), try reader.int())
    let (offset, byteCount) = (try reader.int(), try reader.int())
    let fingerprint = Fingerprint(value: try reader.unsigned())
    let own = try reader.unsigned()
    guard magic == CompiledModel.magic, version == formatVersion,
      own == Fingerprint(UnsafeRawBufferPointer(rebasing: trailer.dropLast(8))).value,
      offset >= 0, byteCount >= 0, offset <= bytes.count - trailerByteCount,
      byteCount == bytes.count - trailerByteCount - offset
    else { throw ByteReader.damage }
    let index = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + byteCount])
    guard Fingerprint(index) == fingerprint else { throw ByteReader.damage }
    return index
  }
}

extension CompiledModel {
  /// The key of the compiled model at `path`.
  ///
  /// - Throws: `GraftError` if the file does not exist or is damaged
  package static func key(path: String) throws -> String {
    let file = try Storage.mappedFile(InputDescriptor(own: path), path: path)
    return try withExtendedLifetime(file) {
      var reader = ByteReader(try index(of: file))
      return try reader.string()
    }
  }

  /// Whether a file ends like a compiled model of any version.
  package static func isEnd(_ file: InputDescriptor) -> Bool {
    let trailer = file.suffix(trailerByteCount)
    return trailer.count == trailerByteCount
      && withUnsafeBytes(of: magic.littleEndian) { trailer.starts(with: $0) }
  }
}

/// The index entry of one tensor.
private struct TensorRecord {
  let elementType: ElementType
  let shape: Shape
  let place: CompiledModel.Place

  init(_ reader: inout ByteReader) throws {
    elementType = try reader.elementType()
    shape = try reader.array { try $0.int() }
    switch try reader.byte() {
    case 0: place = .modelFile(try reader.int(), byteOffset: try reader.int())
    case 1:
      place = .here(
        byteOffset: try reader.int(), fingerprint: Fingerprint(value: try reader.unsigned()))
    case 2: place = .strings(try reader.array { try $0.string() })
    default: throw ByteReader.damage
    }
  }

  var fingerprint: Fingerprint? {
    if case .here(_, let fingerprint) = place { fingerprint } else { nil }
  }

  func tensor(in file: Storage, _ modelFiles: [Storage]) throws -> Tensor {
    switch place {
    case .strings(let strings): return try Tensor(strings: strings, shape: shape)
    case .here(let byteOffset, _):
      return try Tensor(
        elementType: elementType, shape: shape, storage: file, byteOffset: byteOffset)
    case .modelFile(let index, let byteOffset):
      guard modelFiles.indices.contains(index) else { throw ByteReader.damage }
      return try Tensor(
        elementType: elementType, shape: shape, storage: modelFiles[index],
        byteOffset: byteOffset)
    }
  }

  /// Compares the elements with their fingerprint, without mapping them.
  func check(_ descriptor: Int32, _ threadCount: Int) throws {
    guard case .here(let start, let fingerprint) = place else { return }
    let byteCount = try Tensor.byteCount(elementType, shape)
    let pieceByteCount = Fingerprint.pieceByteCount
    let pieces = try ThreadPool.shared.map(
      Fingerprint.pieceCount(byteCount), threads: threadCount
    ) { piece in
      let offset = piece * pieceByteCount
      let count = min(pieceByteCount, byteCount - offset)
      return try withUnsafeTemporaryAllocation(byteCount: count, alignment: 64) { buffer in
        var done = 0
        while done < count, let base = buffer.baseAddress {
          let part = pread(descriptor, base + done, count - done, start + offset + done)
          if part < 0, errno == EINTR { continue }
          guard part > 0 else { throw ByteReader.damage }
          done += part
        }
        return Fingerprint.hash(ofPiece: 0, of: UnsafeRawBufferPointer(buffer))
      }
    }
    guard Fingerprint(pieces: pieces, byteCount: byteCount) == fingerprint else {
      throw ByteReader.damage
    }
  }
}
