import GraftTensor

/// Reads numbers at checked places of bytes that may lie about themselves.
package struct ByteReader {
  package enum ByteOrder: Sendable {
    case little
    case big
  }

  package let bytes: UnsafeRawBufferPointer
  package let byteOrder: ByteOrder
  /// Where the bytes lie in the file; for messages.
  private let origin: Int

  package init(_ bytes: UnsafeRawBufferPointer, _ byteOrder: ByteOrder, origin: Int = 0) {
    self.bytes = bytes
    self.byteOrder = byteOrder
    self.origin = origin
  }

  var count: Int { bytes.count }

  /// - Throws: `GraftError` if the bytes end before.
  func slice(at offset: Int, count: Int) throws -> ByteReader {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
      throw GraftError.badData(
        "it is truncated: \(count) bytes are expected at byte \(origin + offset)")
    }
    return ByteReader(
      UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)]), byteOrder,
      origin: origin + offset)
  }

  /// All that comes from `offset` on.
  func suffix(from offset: Int) throws -> ByteReader {
    try slice(at: offset, count: max(0, bytes.count - max(0, offset)))
  }

  func uint8(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 1) }
  func uint16(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 2) }
  func uint24(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 3) }
  func uint32(at offset: Int) throws -> Int { try unsigned(at: offset, byteCount: 4) }

  func int32(at offset: Int) throws -> Int {
    Int(Int32(truncatingIfNeeded: try uint32(at: offset)))
  }

  private func unsigned(at offset: Int, byteCount: Int) throws -> Int {
    let slice = try slice(at: offset, count: byteCount).bytes
    switch byteOrder {
    case .little: return slice.reversed().reduce(0) { $0 << 8 | Int($1) }
    case .big: return slice.reduce(0) { $0 << 8 | Int($1) }
    }
  }

  /// Whether the bytes at `offset` are those of `text`.
  func hasText(_ text: StaticString, at offset: Int = 0) -> Bool {
    guard let found = try? slice(at: offset, count: text.utf8CodeUnitCount) else { return false }
    return text.withUTF8Buffer { $0.elementsEqual(found.bytes) }
  }
}
