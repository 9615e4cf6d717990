/// What a file may ask for, given its size.
struct HDF5Limits: Sendable {
  /// Links to groups and data sets.
  var objectCount = 100_000
  /// Groups within groups.
  var depth = 64
  /// Bytes of all strings of one attribute.
  var attributeByteCount: Int
  /// Bytes of all elements that must be decoded or converted: what is compressed may grow, but not
  /// without bounds.
  var decodedByteCount: Int

  init(fileByteCount: Int) {
    let slack = 16 << 20
    attributeByteCount = fileByteCount + 4096
    decodedByteCount = 16 * min(fileByteCount, 1 << 44) + slack
  }
}
