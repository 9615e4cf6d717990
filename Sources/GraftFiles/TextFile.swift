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

  /// Makes a folder and those above it.
  ///
  /// - Parameter mode: who may do what with the folder, should it be made; those above it are as
  ///   usual
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

  /// Whether a folder can be made, or files in it if it is there, for what takes long to say so
  /// before it begins.
  ///
  /// - Throws: `GraftError` if not; nothing is left behind.
  package static func requireWritableFolder(_ path: String) throws {
    var folder = FilePath.isAbsolute(path) ? "/" : "."
    for component in FilePath.components(of: path) {
      let next = FilePath.path(component, in: folder)
      guard let status = FileSystem.status(of: next) else {
        // It is made in the one above.
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

  /// Makes a folder that nobody else may look into, and those above it. One that is there, and that
  /// others may write, becomes such a folder.
  ///
  /// - Throws: `GraftError` as ``closeFolder(_:)``, or if no folder can be made
  package static func makeOwnFolder(_ path: String) throws {
    try makeFolder(path, mode: ownFolderMode)
    _ = try closeFolder(path)
  }

  private static let ownFolderMode: mode_t = 0o700

  /// Closes a folder that others may write to them; does nothing if there is none.
  ///
  /// What only a link leads to is shared on purpose, maybe: its mode stays.
  /// - Returns: whether the folder was open
  /// - Throws: `GraftError` if others may write a folder of another user, or one that a link leads
  ///   to, or as ``requireFolder(_:)``
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
          ? "is a link to a folder that others may change"
          : isOwn
            ? "may be changed by others, and cannot be closed to them"
            : "is a folder of another user that others may change", places: [path])
    }
    return true
  }

  /// - Throws: `GraftError` if something else than a folder is at a path, be it a link that leads
  ///   nowhere
  package static func requireFolder(_ path: String) throws {
    guard FileSystem.statusOfLink(path) != nil else { return }
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFDIR else {
      throw GraftError(.cannotCreate, "is no folder", places: [path])
    }
  }

  /// Whether more users than its owner may change a folder.
  private static func isOpen(_ path: String) -> Bool {
    guard let mode = FileSystem.status(of: path)?.st_mode else { return false }
    return mode & S_IFMT == S_IFDIR && mode & (S_IWGRP | S_IWOTH) != 0
  }

  static func byteCount(_ path: String) -> Int? {
    guard let status = FileSystem.status(of: path), status.st_mode & S_IFMT == S_IFREG
    else { return nil }
    return Int(status.st_size)
  }
}
