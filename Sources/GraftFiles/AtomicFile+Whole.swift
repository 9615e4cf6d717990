extension AtomicFile {
  /// Writes a whole file; parameters and errors are those of ``init(path:mode:replacesSpecialFiles:)``.
  package static func write(
    _ bytes: UnsafeRawBufferPointer, to path: String, mode: mode_t = 0o666,
    replacesSpecialFiles: Bool = false
  ) throws {
    let file = try AtomicFile(
      path: path, mode: mode, replacesSpecialFiles: replacesSpecialFiles)
    try file.write(bytes)
    try file.commit()
  }

  /// Whether a file can be made there, for what takes long to say so before it begins.
  ///
  /// - Throws: as ``init(path:mode:replacesSpecialFiles:)``; nothing is left behind.
  package static func requireWritable(_ path: String) throws { _ = try AtomicFile(path: path) }
}
