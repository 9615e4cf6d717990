extension AtomicFile {
  /// Writes a whole file.
  package static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
  }
}
