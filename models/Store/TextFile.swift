import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Small files of text.
package enum TextFile {
  /// - Throws: `GraftError` if the file cannot be read, or is longer than `limit` bytes.
  package static func read(_ path: String, limit: Int) throws -> String {
    let file = try Storage.mappedFile(path: path)
    guard file.byteCount <= limit else {
      throw GraftError.badData("is longer than \(limit) bytes").at(path)
    }
    return String(
      decoding: UnsafeRawBufferPointer(start: file.baseAddress, count: file.byteCount),
      as: UTF8.self)
  }

  /// Writes a file beside it first, so that there is always a whole one.
  package static func save(_ text: String, to path: String, mode: mode_t = 0o666) throws {
    var text = text
    try text.withUTF8 {
      try AtomicFile.write(UnsafeRawBufferPointer($0), to: path, mode: mode)
    }
  }

  /// Makes a folder and those above it.
  ///
  /// - Parameter mode: who may do what with the folder, should it be made; those above it are as usual
  package static func makeFolder(_ path: String, mode: mode_t = 0o755) throws {
    var folder = FilePath.isAbsolute(path) ? "" : "."
    let components = FilePath.components(of: path)
    for (index, component) in components.enumerated() {
      folder += "/\(component)"
      let isLast = index == components.count - 1
      guard FileSystem.makeFolder(folder, isLast ? mode : 0o755) == 0 || errno == EEXIST else {
        throw GraftError.creating(folder)
      }
    }
  }

  static func byteCount(_ path: String) -> Int? {
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return Int(status.st_size)
  }
}
