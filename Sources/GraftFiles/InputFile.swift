/// Reading whole files and standard input, with a limit on their size.
package enum InputFile {
  /// The path that stands for standard input.
  package static let standardInput = "-"

  /// What messages call the file.
  package static func displayName(of path: String) -> String {
    path == standardInput ? "standard input" : path
  }

  /// All bytes of the file, or of standard input if `path` is `-`.
  ///
  /// - Parameter kind: what the file holds, for messages: "an image"
  /// - Throws: `GraftError` if there is no such file, if it is not a regular one or cannot be read, or
  ///   if it has more than `byteLimit` bytes.
  package static func read(
    _ path: String, byteLimit: Int = 1 << 29, as kind: String = "an image"
  ) throws -> [UInt8] {
    let name = displayName(of: path)
    if path == standardInput {
      // Its size is not known before its end.
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
      "has more than \(byteLimit) bytes, which is too large for \(kind)"
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

/// The system's `read`, whose name ``InputFile`` takes for itself.
private func readBytes(_ descriptor: Int32, to target: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, target.baseAddress, target.count)
}
