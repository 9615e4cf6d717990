import GraftFiles

/// The bytes of a file, or a part of them, mapped or unpacked. Copies share memory.
package struct FileBytes: Sendable {
  package let storage: Storage
  package let range: Range<Int>

  /// - Precondition: `range` is within `storage`
  package init(_ storage: Storage, _ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= storage.byteCount)
    self.storage = storage
    self.range = range
  }

  /// Maps a whole file.
  ///
  /// - Throws: `GraftError` if the file does not exist or is not a regular file
  package init(mapping path: String) throws {
    let storage = try Storage.mappedFile(path: path)
    self.init(storage, 0..<storage.byteCount)
  }

  /// A copy in new memory.
  package init(copying bytes: [UInt8]) throws {
    let storage = try Storage.heap(byteCount: bytes.count)
    bytes.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: storage.baseAddress, count: bytes.count)
        .copyMemory(from: source)
    }
    self.init(storage, 0..<bytes.count)
  }

  package var count: Int { range.count }

  package func withUnsafeBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    defer { withExtendedLifetime(storage) {} }
    return try body(
      UnsafeRawBufferPointer(start: storage.baseAddress + range.lowerBound, count: range.count))
  }

  /// The bytes in a range of the storage.
  ///
  /// - Precondition: `places` is within the storage, which stays alive
  func bytes(in places: Range<Int>) -> UnsafeRawBufferPointer {
    precondition(places.lowerBound >= 0 && places.upperBound <= storage.byteCount)
    return UnsafeRawBufferPointer(
      start: storage.baseAddress + places.lowerBound, count: places.count)
  }

  /// The bytes from `offset` on.
  ///
  /// - Throws: `GraftError` if there are too few
  package func part(at offset: Int, count: Int) throws -> FileBytes {
    guard offset >= 0, count >= 0, offset <= self.count, count <= self.count - offset else {
      throw GraftError.badData("is truncated: it should have \(count) bytes at byte \(offset)")
    }
    let start = range.lowerBound + offset
    return FileBytes(storage, start..<start + count)
  }

  /// The text, with invalid characters replaced.
  package var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

  package func starts(with prefix: [UInt8]) -> Bool {
    withUnsafeBytes { $0.starts(with: prefix) }
  }
}
