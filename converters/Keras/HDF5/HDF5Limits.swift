/// The limits for a file of a given size.
struct HDF5Limits: Sendable {
  /// Links to groups and datasets.
  var objectCount = 100_000
  /// Nested groups.
  var depth = 64
  /// Soft links to soft links.
  var softLinkCount = 16
  /// Bytes of structure. A sound file is read once or twice; rereading the same bytes must be
  /// bounded.
  var structureByteCount: Int
  /// Bytes of all strings, and of elements that must be decoded, converted or joined from chunks.
  /// Compressed data may grow, but within bounds.
  var decodedByteCount: Int

  init(fileByteCount: Int) {
    let byteCount = min(fileByteCount, 1 << 44)
    structureByteCount = 8 * byteCount + 16 << 20
    decodedByteCount = 16 * byteCount + 16 << 20
  }
}
