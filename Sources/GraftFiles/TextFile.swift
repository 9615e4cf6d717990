/// Small text files.
package enum TextFile {
  /// - Throws: `GraftError` if the file cannot be read, is longer than `limit` bytes, or is not
  ///   UTF-8
  package static func read(_ path: String, limit: Int) throws -> String {
    let file = try Storage.mappedFile(path: path)
    guard file.byteCount <= limit else {
      throw GraftError.badData("is longer than \(limit) bytes").at(path)
    }
    return try withExtendedLifetime(file) {
      let bytes = UnsafeRawBufferPointer(start: file.baseAddress, count: file.byteCount)
      if let text = String(validating: bytes, as: UTF8.self) { return text }
      // No character reaches over the end of a line.
      let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      let number = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
      throw GraftError(
        .badData, "the text is not UTF-8", places: [path, "line \(number + 1)"],
        hint: "Save the file as UTF-8")
    }
  }

  /// Writes to a temporary file first, so that readers always find a complete one.
  package static func save(
    _ text: String, to path: String, mode: mode_t = 0o666, replacesSpecialFiles: Bool = false
  ) throws {
    var text = text
    try text.withUTF8 {
      try AtomicFile.write(
        UnsafeRawBufferPointer($0), to: path, mode: mode,
        replacesSpecialFiles: replacesSpecialFiles)
    }
  }

  /// Creates a folder and its parents.
  ///
  /// - Parameter mode: the permissions of the folder if it is created; parents get the default
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

  /// Checks that a folder can be created or, if it exists, written to; call it before long work.
  ///
  /// - Throws: `GraftError` if not; leaves nothing behind
  package static func requireWritableFolder(_ path: String) throws {
    var folder = FilePath.isAbsolute(path) ? "/" : "."
    for component in FilePath.components(of: path) {
      let next = FilePath.path(component, in: folder)
      guard let status = FileSystem.status(of: next) else {
        // It would be created in its parent.
        if errno == ENOENT { break }
        throw GraftError.creating(path)
      }
      guard status.st_mode & S_IFMT == S_IFDIR else { throw GraftError.creating(path, ENOTDIR) }
      folder = next
    }
    guard folder.withFileName({ access($0, W_OK | X_OK) }) == 0 else {
      throw GraftError.creating(path)
    }
  }

  /// Creates a private folder, and its parents. An existing folder that others may write to becomes
  /// private.
  ///
  /// - Throws: `GraftError` as ``closeFolder(_:)``, or if the folder cannot be created
  package static func makeOwnFolder(_ path: String) throws {
    try makeFolder(path, mode: ownFolderMode)
    _ = try closeFolder(path)
  }

  private static let ownFolderMode: mode_t = 0o700

  /// Makes a folder that others may write to private; does nothing if it does not exist.
  ///
  /// A linked folder may be shared on purpose, so its mode is unchanged.
  ///
  /// - Returns: whether the folder was open
  /// - Throws: `GraftError` if others may write to a folder of another user or a linked one, or as
  ///   ``requireFolder(_:)``
  package static func closeFolder(_ path: String) throws -> Bool {
    try requireFolder(path)
    guard isOpen(path) else { return false }
    let descriptor = FileSystem.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0, status.isOwn,
      fchmod(descriptor, ownFolderMode) == 0
    else {
      let isLink =
        FileSystem.statusOfLink(path).map { $0.st_mode & S_IFMT == S_IFLNK } ?? false
      let isOwn = descriptor >= 0 && status.isOwn
      throw GraftError(
        .cannotCreate,
        isLink
          ? "is a link to a folder that others may write to"
          : isOwn
            ? "is writable by others, and that cannot be changed"
            : "belongs to another user and is writable by others", places: [path])
    }
    return true
  }

  /// - Throws: `GraftError` if the path is not a folder, or is a dangling link
  package static func requireFolder(_ path: String) throws {
    guard FileSystem.statusOfLink(path) != nil else { return }
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFDIR else {
      throw GraftError(.cannotCreate, "is not a folder", places: [path])
    }
  }

  /// Whether others than its owner may write to a folder.
  private static func isOpen(_ path: String) -> Bool {
    guard let mode = FileSystem.status(of: path)?.st_mode else { return false }
    return mode & S_IFMT == S_IFDIR && mode & (S_IWGRP | S_IWOTH) != 0
  }

  package static func byteCount(_ path: String) -> Int? {
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return Int(status.st_size)
  }
}
