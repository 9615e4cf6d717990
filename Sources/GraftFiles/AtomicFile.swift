/// A file that appears under its name only when it is complete.
///
/// Writes go to a temporary file in the same folder; ``commit()`` syncs and renames it. Without a
/// commit, nothing is left behind.
package final class AtomicFile {
  private let path: String
  private let temporaryPath: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private static let bufferByteCount = 1 << 20

  /// Bytes written so far.
  package private(set) var byteCount = 0

  /// The mode of cache files: no access for others.
  package static let ownMode: mode_t = 0o600

  /// - Parameters:
  ///   - mode: the permissions of the file, limited by the process's mask
  ///   - replacesSpecialFiles: whether the file may replace a pipe and the like, as in one of
  ///     Graft's own folders
  /// - Throws: `GraftError` if the file cannot be created, or something other than a regular file
  ///   has the name
  package init(path: String, mode: mode_t = 0o666, replacesSpecialFiles: Bool = false) throws {
    self.path = path
    if !replacesSpecialFiles, let status = FileSystem.status(of: path),
      status.st_mode & S_IFMT != S_IFREG
    {
      throw GraftError(.cannotCreate, "is not a regular file", places: [path])
    }
    temporaryPath = "\(path).\(getpid())-\(UInt32.random(in: 0 ... .max)).tmp"
    descriptor = FileSystem.open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw GraftError.creating(path) }
    // Some file systems keep neither owner nor mode.
    if mode == AtomicFile.ownMode, !isOwn {
      throw GraftError(.cannotCreate, "cannot be protected from other users there", places: [path])
    }
  }

  /// Whether the file belongs to this user, and no one else may write to it.
  private var isOwn: Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.isOwn
      && status.st_mode & (S_IWGRP | S_IWOTH) == 0
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    FileSystem.remove(temporaryPath)
  }

  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    byteCount += bytes.count
    if buffer.count + bytes.count > Self.bufferByteCount { try flush() }
    if bytes.count >= Self.bufferByteCount {
      try writeThrough(bytes)
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  /// Writes zeros up to the next multiple of `alignment`.
  package func pad(to alignment: Int) throws {
    let rest = byteCount % alignment
    if rest > 0 { try write([UInt8](repeating: 0, count: alignment - rest)) }
  }

  /// Lets a library write the file under its temporary name, instead of `write`. The library may
  /// replace the file.
  package func fill(_ body: (_ temporaryPath: String) throws -> Void) throws {
    try body(temporaryPath)
    close(descriptor)
    descriptor = FileSystem.open(temporaryPath, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else {
      let error = GraftError.writing(path)
      FileSystem.remove(temporaryPath)
      throw error
    }
  }

  /// Maps the bytes written so far; valid even after the file is renamed or removed.
  package func mapped() throws -> Storage {
    try flush()
    return try Storage.mappedFile(path: temporaryPath)
  }

  /// Renames the file to its final name, or to another one in the same file system.
  package func commit(as newPath: String? = nil) throws {
    let path = newPath ?? path
    try flush()
    guard fsync(descriptor) == 0 else { throw GraftError.writing(path) }
    guard close(descriptor) == 0 else {
      let error = GraftError.writing(path)
      descriptor = -1
      FileSystem.remove(temporaryPath)
      throw error
    }
    descriptor = -1
    guard FileSystem.move(temporaryPath, to: path) == 0 else {
      let error = GraftError.creating(path)
      FileSystem.remove(temporaryPath)
      throw error
    }
    syncFolder(of: path)
  }

  private func flush() throws {
    try buffer.withUnsafeBytes { try writeThrough($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws {
    // Linux writes at most 2 GiB at once.
    let chunk = 1 << 28
    var position = 0
    while position < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
      let written = writeBytes(descriptor, rest.baseAddress, min(rest.count, chunk))
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw GraftError.writing(path) }
      position += written
    }
  }

  /// Makes the new name durable; ignores file systems that cannot.
  private func syncFolder(of path: String) {
    let folder = FilePath.folder(of: path)
    let descriptor = FileSystem.open(
      folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }
}

/// The system's `write`, which the method's name shadows in the class.
private func writeBytes(
  _ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int
) -> Int {
  write(descriptor, bytes, count)
}
