#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files that appear whole or not at all: written beside their place, synced, then renamed.
package enum AtomicFile {
  /// Writes a file whole.
  ///
  /// - Throws: `GraftError` if it cannot be written; what stood at `path` before is untouched then.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    let temporary = "\(path).\(getpid()).part"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(.cannotCreate, "cannot be created", path) }
    var offset = 0
    while offset < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let error = failure(.inputOutput, "cannot be written", path)
        close(descriptor)
        unlink(temporary)
        throw error
      }
      offset += count
    }
    close(descriptor)
    try commit(temporary, to: path)
  }

  package static func write(_ bytes: [UInt8], to path: String) throws {
    try bytes.withUnsafeBytes { try write($0, to: path) }
  }

  /// Syncs a finished temporary file and gives it its name; removes it if that fails.
  package static func commit(_ temporary: String, to path: String) throws {
    let descriptor = open(temporary, O_RDONLY | O_CLOEXEC)
    let isSynced = descriptor >= 0 && fsync(descriptor) == 0
    if descriptor >= 0 { close(descriptor) }
    guard isSynced, rename(temporary, path) == 0 else {
      let error = failure(.inputOutput, "cannot be written", path)
      unlink(temporary)
      throw error
    }
  }

  private static func failure(_ code: GraftError.Code, _ what: String, _ path: String) -> GraftError
  {
    GraftError(code, "\(what): \(String(cString: strerror(errno)))", places: [path])
  }
}
