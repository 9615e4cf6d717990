/// Reads numbers at checked offsets of untrusted bytes, or one after the other.
///
/// The memory must outlive the reader.
package struct ByteReader {
  package enum ByteOrder: Sendable {
    case little
    case big
  }

  package let bytes: UnsafeRawBufferPointer
  package let byteOrder: ByteOrder
  /// The offset of the bytes in the file, for messages.
  private let origin: Int
  /// The offset of the next bytes to read.
  private var position = 0

  package init(_ bytes: UnsafeRawBufferPointer, _ byteOrder: ByteOrder = .little, origin: Int = 0) {
    self.bytes = bytes
    self.byteOrder = byteOrder
    self.origin = origin
  }

  package var count: Int { bytes.count }

  /// - Throws: `GraftError` if the bytes end too early
  package func slice(at offset: Int, count: Int) throws -> ByteReader {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw GraftError.badData(
        "it is truncated: it should have \(count) bytes at byte \(origin + offset)")
    }
    return ByteReader(
      UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)]), byteOrder,
      origin: origin + offset)
  }

  /// Everything from `offset` on.
  package func suffix(from offset: Int) throws -> ByteReader {
    try slice(at: offset, count: max(0, bytes.count - max(0, offset)))
  }

  package func uint8(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 1) }
  package func uint16(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 2) }
  package func uint24(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 3) }
  package func uint32(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 4) }

  package func int32(at offset: Int) throws -> Int {
    Int(Int32(truncatingIfNeeded: try uint32(at: offset)))
  }

  package var isAtEnd: Bool { position == bytes.count }
  /// The number of bytes not yet read.
  package var restCount: Int { bytes.count - position }

  /// Skips the next bytes.
  ///
  /// - Throws: `GraftError` if there are fewer
  package mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
    let part = try slice(at: position, count: count).bytes
    position += count
    return part
  }

  private func unsigned(at offset: Int, byteCount: Int) throws -> Int {
    let slice = try slice(at: offset, count: byteCount).bytes
    switch byteOrder {
    case .little: return slice.reversed().reduce(0) { $0 << 8 | Int($1) }
    case .big: return slice.reduce(0) { $0 << 8 | Int($1) }
    }
  }

  /// Whether the bytes at `offset` are `text`.
  package func hasText(_ text: StaticString, at offset: Int = 0) -> Bool {
    guard let found = try? slice(at: offset, count: text.utf8CodeUnitCount) else { return false }
    return text.withUTF8Buffer { $0.elementsEqual(found.bytes) }
  }
}
