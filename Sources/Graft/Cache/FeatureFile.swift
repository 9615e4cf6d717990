import GraftExecution
import GraftFiles

/// Image features in a file: digests as keys, and a row of floats for each.
///
///     magic, version, bytes of the key, floats in a row, rows │
///     key │ digests │ rows │ fingerprint of all that
///
/// Numbers take eight bytes, little-endian. A file that is damaged, has another key, or may have
/// been written by another user, counts as empty.
final class FeatureFile {
  let path: String
  private let key: String
  private let elementCount: Int
  private let threadCount: Int
  private var contents: Contents?

  private struct Contents {
    let storage: Storage
    let rowOffset: Int
    let rows: [SHA256Digest: Int]
  }

  private static let magic: UInt64 = 0x5445_4146_5446_5247
  private static let version: UInt64 = 1
  private static let headerCount = 5
  private static let alignment = 64

  init(path: String, key: String, elementCount: Int, threadCount: Int) {
    self.path = path
    self.key = key
    self.elementCount = elementCount
    self.threadCount = threadCount
    contents = try? read()
  }

  var isEmpty: Bool { contents == nil }

  /// The number of rows in the file at `path`, from its header; `nil` if it is of another kind.
  static func rowCount(path: String) -> Int? {
    guard let file = try? InputDescriptor(own: path) else { return nil }
    let header = file.prefix(headerCount * 8)
    guard header.count == headerCount * 8 else { return nil }
    func number(_ index: Int) -> UInt64 {
      header.withUnsafeBytes {
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
      }
    }
    guard number(0) == magic, number(1) == version else { return nil }
    return Int(exactly: number(headerCount - 1))
  }

  /// Whether a file starts like a feature file of any version.
  static func isBeginning(_ file: InputDescriptor) -> Bool {
    let beginning = file.prefix(8)
    return beginning.count == 8
      && withUnsafeBytes(of: magic.littleEndian) { beginning.starts(with: $0) }
  }

  /// Calls `body` with the elements of a row, `[elementCount]`, which it must not keep.
  ///
  /// - Returns: whether there is such a row
  func withRow(_ digest: SHA256Digest, _ body: (UnsafePointer<Float>) -> Void) -> Bool {
    guard let contents, let row = contents.rows[digest] else { return false }
    withExtendedLifetime(contents.storage) { body(pointer(contents, row)) }
    return true
  }

  /// Rewrites the file with more rows.
  ///
  /// - Parameters:
  ///   - byteLimit: the limit of all rows; old ones are dropped to keep it
  ///   - copy: writes a row
  /// - Throws: `GraftError` if the file cannot be written
  func add<Item>(
    _ items: [(key: SHA256Digest, value: Item)], byteLimit: Int,
    copy: (Item, UnsafeMutablePointer<Float>) -> Void
  ) throws {
    // Another process may have written it since.
    contents = try? read()
    let new = Set(items.map(\.key))
    let rowByteCount = elementCount * MemoryLayout<Float>.size
    var old = (contents?.rows ?? [:]).filter { !new.contains($0.key) }
      .sorted { $0.value < $1.value }
    if (old.count + new.count) * rowByteCount > byteLimit { old = [] }
    let file = try AtomicFile(
      path: path, mode: AtomicFile.ownMode, replacesSpecialFiles: true)
    let numbers = [
      FeatureFile.magic, FeatureFile.version, UInt64(key.utf8.count), UInt64(elementCount),
      UInt64(old.count + items.count),
    ]
    try numbers.map(\.littleEndian).withUnsafeBytes { try file.write($0) }
    try file.write(Array(key.utf8))
    try file.pad(to: FeatureFile.alignment)
    for digest in old.map(\.key) + items.map(\.key) {
      try withUnsafeBytes(of: digest) { try file.write($0) }
    }
    try file.pad(to: FeatureFile.alignment)
    if let contents {
      for (_, row) in old {
        let start = pointer(contents, row)
        try file.write(UnsafeRawBufferPointer(start: start, count: rowByteCount))
      }
    }
    var row = [Float](repeating: 0, count: elementCount)
    for (_, item) in items {
      try row.withUnsafeMutableBufferPointer { row in
        if let start = row.baseAddress { copy(item, start) }
        try file.write(UnsafeRawBufferPointer(row))
      }
    }
    let fingerprint = try fingerprint(of: file.mapped(), byteCount: file.byteCount)
    try withUnsafeBytes(of: fingerprint.littleEndian) { try file.write($0) }
    try file.commit()
    contents = try read()
  }

  private func pointer(_ contents: Contents, _ row: Int) -> UnsafePointer<Float> {
    let offset = contents.rowOffset + row * elementCount * MemoryLayout<Float>.size
    return UnsafePointer(
      (contents.storage.baseAddress + offset).assumingMemoryBound(to: Float.self))
  }

  /// - Throws: `GraftError` if the file does not exist, is damaged or has another key
  private func read() throws -> Contents {
    let storage = try Storage.mappedFile(InputDescriptor(own: path), path: path)
    let bytes = UnsafeRawBufferPointer(start: storage.baseAddress, count: storage.byteCount)
    let damage = GraftError.badData("is damaged").at(path)
    let headerByteCount = FeatureFile.headerCount * 8
    guard bytes.count >= headerByteCount + 8 else { throw damage }
    func number(_ offset: Int) -> UInt64 {
      UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
    let keyEnd = headerByteCount + key.utf8.count
    let bodyByteCount = bytes.count - 8
    guard number(0) == FeatureFile.magic, number(8) == FeatureFile.version,
      number(16) == UInt64(key.utf8.count), number(24) == UInt64(elementCount),
      keyEnd <= bodyByteCount, bytes[headerByteCount..<keyEnd].elementsEqual(key.utf8),
      // Each row takes bytes, so that too large a number does not fit.
      let rowCount = Int(exactly: number(32)), rowCount <= bytes.count / SHA256Digest.byteCount
    else { throw damage }
    func aligned(_ offset: Int) -> Int {
      (offset + FeatureFile.alignment - 1) / FeatureFile.alignment * FeatureFile.alignment
    }
    let digestOffset = aligned(keyEnd)
    let rowOffset = aligned(digestOffset + rowCount * SHA256Digest.byteCount)
    let (rowsByteCount, overflow) = rowCount.multipliedReportingOverflow(by: elementCount * 4)
    guard !overflow, rowOffset <= bodyByteCount, rowsByteCount == bodyByteCount - rowOffset,
      try fingerprint(of: storage, byteCount: bodyByteCount) == number(bodyByteCount)
    else { throw damage }
    var rows: [SHA256Digest: Int] = [:]
    rows.reserveCapacity(rowCount)
    for row in 0..<rowCount {
      let digest = bytes.loadUnaligned(
        fromByteOffset: digestOffset + row * SHA256Digest.byteCount, as: SHA256Digest.self)
      rows[digest] = row
    }
    return Contents(storage: storage, rowOffset: rowOffset, rows: rows)
  }

  private func fingerprint(of storage: Storage, byteCount: Int) throws -> UInt64 {
    let pieces = try ThreadPool.shared.map(
      Fingerprint.pieceCount(byteCount), threads: threadCount
    ) { piece in
      Fingerprint.hash(
        ofPiece: piece,
        of: UnsafeRawBufferPointer(start: storage.baseAddress, count: byteCount))
    }
    return Fingerprint(pieces: pieces, byteCount: byteCount).value
  }
}
