/// What a file may ask for, given its size.
struct HDF5Limits: Sendable {
  /// Links to groups and data sets.
  var objectCount = 100_000
  /// Groups within groups.
  var depth = 64
  /// Soft links that lead to soft links.
  var softLinkCount = 16
  /// Bytes of structure. A sound file is read once or twice; one that refers to the same bytes
  /// again and again must not take long.
  var structureByteCount: Int
  /// Bytes of all elements that must be decoded, converted or put together from chunks, and of
  /// strings: what is compressed may grow, but not without bounds.
  var decodedByteCount: Int

  init(fileByteCount: Int) {
    let byteCount = min(fileByteCount, 1 << 44)
    structureByteCount = 8 * byteCount + 16 << 20
    decodedByteCount = 16 * byteCount + 16 << 20
  }
}
