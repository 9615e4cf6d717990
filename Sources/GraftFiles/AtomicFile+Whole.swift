extension AtomicFile {
  /// Writes a whole file; see ``init(path:mode:replacesSpecialFiles:)`` for parameters and errors.
  package static func write(
    _ bytes: UnsafeRawBufferPointer, to path: String, mode: mode_t = 0o666,
    replacesSpecialFiles: Bool = false
  ) throws {
    let file = try AtomicFile(
      path: path, mode: mode, replacesSpecialFiles: replacesSpecialFiles)
    try file.write(bytes)
    try file.commit()
  }

  /// Checks that a file can be created there; call it before long work.
  ///
  /// - Throws: as ``init(path:mode:replacesSpecialFiles:)``; leaves nothing behind
  package static func requireWritable(_ path: String) throws { _ = try AtomicFile(path: path) }
}
