/// Reads whole files and standard input, up to a size limit.
package enum InputFile {
  /// The path that stands for standard input.
  package static let standardInput = "-"

  /// The file's name in messages.
  package static func displayName(of path: String) -> String {
    path == standardInput ? "standard input" : path
  }

  /// All bytes of the file, or of standard input if `path` is `-`.
  ///
  /// - Parameter kind: the kind of content, for messages: "an image"
  /// - Throws: `GraftError` if the file does not exist, is not a regular file, cannot be read, or
  ///   has more than `byteLimit` bytes
  package static func read(
    _ path: String, byteLimit: Int = 1 << 29, as kind: String = "an image"
  ) throws -> [UInt8] {
    let name = displayName(of: path)
    if path == standardInput {
      // The size is unknown until the end.
      return try read(STDIN_FILENO, expectedCount: 0, byteLimit: byteLimit, as: kind, name: name)
    }
    let file = try InputDescriptor(path)
    return try withExtendedLifetime(file) {
      try read(
        file.number, expectedCount: file.byteCount, byteLimit: byteLimit, as: kind, name: name)
    }
  }

  private static func read(
    _ descriptor: Int32, expectedCount: Int, byteLimit: Int, as kind: String, name: String
  ) throws -> [UInt8] {
    let tooLarge = GraftError.badData(
      "is too large for \(kind): it has more than \(byteLimit) bytes"
    ).at(name)
    guard expectedCount <= byteLimit else { throw tooLarge }

    // A file may grow or shrink while it is read.
    var bytes: [UInt8] = []
    bytes.reserveCapacity(expectedCount)
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { chunk.deallocate() }
    while true {
      let count = readBytes(descriptor, to: chunk)
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw GraftError.reading(name)
      }
      guard count <= byteLimit - bytes.count else { throw tooLarge }
      bytes.append(contentsOf: chunk[..<count])
    }
  }
}

/// The system's `read`, whose name ``InputFile`` shadows.
private func readBytes(_ descriptor: Int32, to target: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, target.baseAddress, target.count)
}
