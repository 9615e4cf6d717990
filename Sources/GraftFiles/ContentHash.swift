/// SHA-256 of a model's content, which names everything derived from it.
///
/// Files are read with `pread`: hashing a mapping would make the whole file resident. A file's hash
/// is a hash of the hashes of its pieces, so that threads can share the work.
package struct ContentHash: Hashable, Sendable {
  /// 64 lower-case hexadecimal digits.
  package let text: String

  private static let pieceByteCount = 4 << 20
  private static let bufferByteCount = 1 << 17

  /// `nil` if `text` is not a hash.
  package init?(text: String) {
    guard let checksum = Checksum("sha256:\(text)") else { return nil }
    self.text = checksum.digest
  }

  /// The hash of a short text.
  package init(of text: String) throws {
    self.text = try SHA256Digest(of: text).hexadecimal
  }

  /// The hash of a file.
  ///
  /// - Parameter map: returns the digests of the pieces `0 ..< count`, possibly on several threads
  /// - Throws: `GraftError` if the file cannot be read, or is not in the state `identity`
  package init(
    path: String, identity: FileIdentity,
    map: (_ count: Int, _ digest: @escaping @Sendable (Int) throws -> SHA256Digest) throws
      -> [SHA256Digest]
  ) throws {
    let file = try InputDescriptor(path)
    let descriptor = file.number
    let byteCount = identity.byteCount
    let pieceByteCount = ContentHash.pieceByteCount
    let digests = try map((byteCount + pieceByteCount - 1) / pieceByteCount) { piece in
      let start = piece * pieceByteCount
      let end = min(start + pieceByteCount, byteCount)
      return try SHA256Digest { update in
        try ContentHash.read(descriptor, start..<end, path: path, update)
      }
    }
    // A change during reading would change the file's times.
    let isSame = withExtendedLifetime(file) { FileIdentity(descriptor: descriptor) == identity }
    guard isSame else {
      throw GraftError(.temporary, "has changed", places: [path])
    }
    self.text = try SHA256Digest { update in digests.withUnsafeBytes { update($0) } }.hexadecimal
  }

  private static func read(
    _ descriptor: Int32, _ range: Range<Int>, path: String,
    _ body: (UnsafeRawBufferPointer) -> Void
  ) throws {
    try withUnsafeTemporaryAllocation(byteCount: bufferByteCount, alignment: 64) { buffer in
      var offset = range.lowerBound
      while offset < range.upperBound {
        let wanted = min(buffer.count, range.upperBound - offset)
        let count = pread(descriptor, buffer.baseAddress, wanted, offset)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw GraftError.reading(path) }
        body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        offset += count
      }
    }
  }
}
