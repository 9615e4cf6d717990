#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension AtomicFile {
  /// Writes a whole file.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }

  /// Syncs a finished temporary file that a library wrote and gives it its name; removes it if that fails.
  package static func commit(_ temporaryPath: String, to path: String) throws {
    let descriptor = open(temporaryPath, O_RDONLY | O_CLOEXEC)
    let isSynced = descriptor >= 0 && fsync(descriptor) == 0
    if descriptor >= 0 { close(descriptor) }
    guard isSynced, rename(temporaryPath, path) == 0 else {
      let error = GraftError(
        .inputOutput, "cannot be written: \(String(cString: strerror(errno)))", places: [path])
      unlink(temporaryPath)
      throw error
    }
  }
}
