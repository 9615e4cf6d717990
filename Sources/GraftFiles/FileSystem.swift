/// System calls on paths. All of Graft uses these, so that names keep their exact bytes (see
/// ``Swift/String/init(fileName:)-(Collection)``).
///
/// Functions return the result of the system call, with the reason of a failure in `errno`. A path
/// with a zero in it does not exist.
package enum FileSystem {
  /// The system's `open`: a descriptor, or -1.
  package static func open(_ path: String, _ flags: Int32, _ mode: mode_t = 0) -> Int32 {
    withName(path) { systemOpen(AT_FDCWD, $0, flags, mode) } ?? -1
  }

  /// Like ``open(_:_:_:)``, for a path relative to an open folder.
  package static func open(
    _ path: String, in folder: Int32, _ flags: Int32, _ mode: mode_t = 0
  ) -> Int32 {
    withName(path) { systemOpen(folder, $0, flags, mode) } ?? -1
  }

  /// The status of the file that the path leads to; `nil` if there is none.
  package static func status(of path: String) -> stat? {
    var status = stat()
    return withName(path) { stat($0, &status) } == 0 ? status : nil
  }

  /// The status of the path's file, not following a final link.
  package static func statusOfLink(_ path: String) -> stat? {
    var status = stat()
    return withName(path) { lstat($0, &status) } == 0 ? status : nil
  }

  package static func exists(_ path: String) -> Bool { status(of: path) != nil }

  package static func isFolder(_ path: String) -> Bool {
    status(of: path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
  }

  package static func isRegularFile(_ path: String) -> Bool {
    status(of: path).map { $0.st_mode & S_IFMT == S_IFREG } ?? false
  }

  /// The system's `unlink`.
  @discardableResult
  package static func remove(_ path: String) -> Int32 { withName(path) { unlink($0) } ?? -1 }

  /// The system's `rename`, which replaces an existing file.
  package static func move(_ path: String, to newPath: String) -> Int32 {
    withName(path) { old in withName(newPath) { rename(old, $0) } ?? -1 } ?? -1
  }

  /// The system's `link`.
  package static func addLink(_ newPath: String, to path: String) -> Int32 {
    withName(path) { old in withName(newPath) { link(old, $0) } ?? -1 } ?? -1
  }

  /// The system's `mkdir`.
  package static func makeFolder(_ path: String, _ mode: mode_t = 0o755) -> Int32 {
    withName(path) { mkdir($0, mode) } ?? -1
  }

  /// Sets the modification time to now.
  @discardableResult
  package static func touch(_ path: String) -> Int32 {
    withName(path) { utimensat(AT_FDCWD, $0, nil, 0) } ?? -1
  }

  /// The path without links, `.` and `..`; `nil` if it does not exist.
  package static func realPath(_ path: String) -> String? {
    guard let resolved = withName(path, { realpath($0, nil) }) ?? nil else { return nil }
    defer { free(resolved) }
    return String(fileName: resolved)
  }

  /// A new, empty file for reading and writing, named `prefix` plus six letters.
  package static func makeTemporaryFile(
    prefix: String
  ) -> (descriptor: Int32, path: String)? {
    var template = (prefix.fileNameBytes + Array("XXXXXX".utf8)).map { CChar(bitPattern: $0) }
    guard !template.contains(0) else {
      errno = ENOENT
      return nil
    }
    template.append(0)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return (descriptor, String(fileName: template))
  }

  /// The kind of a folder's entry, if the folder provides it.
  package enum EntryKind: Sendable {
    case file
    case folder
    case link
    /// A pipe, a socket or a device.
    case special
    /// The folder does not provide it.
    case unknown
  }

  /// Calls `body` with the entries of a folder except `.` and `..`, in no particular order.
  ///
  /// - Returns: whether the folder could be read completely
  package static func forEachEntry(
    inFolder path: String, _ body: (_ name: String, _ kind: EntryKind) throws -> Void
  ) rethrows -> Bool {
    guard let directory = withName(path, { opendir($0) }) ?? nil else { return false }
    defer { closedir(directory) }
    while true {
      errno = 0
      guard let entry = readdir(directory) else { return errno == 0 }
      let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
      let name = String(
        fileName: (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self))
      if name == "." || name == ".." { continue }
      let kind: EntryKind =
        switch Int(entry.pointee.d_type) {
        case Int(DT_REG): .file
        case Int(DT_DIR): .folder
        case Int(DT_LNK): .link
        case Int(DT_UNKNOWN): .unknown
        default: .special
        }
      try body(name, kind)
    }
  }

  /// An environment variable; `nil` if it is unset or empty.
  package static func environmentVariable(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(fileName: value)
  }

  /// The text of a kernel file, whose length is only known at its end; `nil` if it cannot be read
  /// or has 16 MiB.
  package static func kernelFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 16 << 20 {
      let count = read(descriptor, &part, part.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count < 0 ? nil : String(decoding: bytes, as: UTF8.self) }
      bytes += part[..<count]
    }
    return nil
  }

  private static func withName<Result>(
    _ path: String, _ body: (UnsafePointer<CChar>) -> Result
  ) -> Result? {
    guard !path.utf8.contains(0) else {
      errno = ENOENT
      return nil
    }
    return path.withFileName(body)
  }
}

/// The system's `openat`, which opens relative to a folder.
private func systemOpen(
  _ folder: Int32, _ path: UnsafePointer<CChar>, _ flags: Int32, _ mode: mode_t
) -> Int32 {
  openat(folder, path, flags, mode)
}
