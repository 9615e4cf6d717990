import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

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
  /// - Throws: `GraftError` if there is no such file, if it is a folder or cannot be read, or if it
  ///   has more than `byteLimit` bytes.
  package static func read(_ path: String, byteLimit: Int = 1 << 29) throws -> [UInt8] {
    try withPlace(displayName(of: path)) {
      if path == standardInput {
        return try read(descriptor: STDIN_FILENO, byteLimit: byteLimit)
      }
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw systemError(.noInput, "cannot be opened") }
      defer { close(descriptor) }
      return try read(descriptor: descriptor, byteLimit: byteLimit)
    }
  }

  private static func read(descriptor: Int32, byteLimit: Int) throws -> [UInt8] {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw systemError(.noInput, "cannot be read") }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw GraftError(.noInput, "is a folder") }
    // Pipes and devices do not know their size; a file may grow or shrink while it is read.
    let isRegularFile = status.st_mode & S_IFMT == S_IFREG
    let expectedCount = isRegularFile ? Int(status.st_size) : 0
    guard expectedCount <= byteLimit else { throw tooLarge(byteLimit) }

    var bytes: [UInt8] = []
    bytes.reserveCapacity(expectedCount)
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { chunk.deallocate() }
    while true {
      let count = readBytes(descriptor, to: chunk)
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw systemError(.inputOutput, "cannot be read")
      }
      guard count <= byteLimit - bytes.count else { throw tooLarge(byteLimit) }
      bytes.append(contentsOf: chunk[..<count])
    }
  }

  private static func tooLarge(_ byteLimit: Int) -> GraftError {
    .badData("has more than \(byteLimit) bytes, which is too large for a picture")
  }

  private static func systemError(_ code: GraftError.Code, _ what: String) -> GraftError {
    GraftError(code, "\(what): \(String(cString: strerror(errno)))")
  }
}

/// The system's `read`, whose name ``InputFile`` takes for itself.
private func readBytes(_ descriptor: Int32, to target: UnsafeMutableRawBufferPointer) -> Int {
  read(descriptor, target.baseAddress, target.count)
}
