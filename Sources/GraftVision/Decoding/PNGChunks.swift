import GraftFiles

/// The chunks of a PNG file, up to its possibly early end.
///
/// Source: <https://www.w3.org/TR/png/>, 5.3
struct PNGChunks: Sequence, IteratorProtocol {
  struct Chunk {
    let name: String
    /// The offset of the chunk in the file, starting at its length field.
    let offset: Int
    /// The available data.
    let payload: ByteReader
    /// Whether its data and checksum are complete.
    let isComplete: Bool
  }

  private let file: ByteReader
  private var offset = 8

  init(_ bytes: UnsafeRawBufferPointer) { file = ByteReader(bytes, .big) }

  mutating func next() -> Chunk? {
    guard let length = try? file.uint32(at: offset),
      let name = try? file.slice(at: offset + 4, count: 4)
    else { return nil }
    let start = offset + 8
    let end = start + length
    guard let payload = try? file.slice(at: start, count: Swift.min(length, file.count - start))
    else { return nil }
    defer { offset = end + 4 }
    return Chunk(
      name: String(decoding: name.bytes, as: UTF8.self), offset: offset, payload: payload,
      isComplete: end + 4 <= file.count)
  }
}
