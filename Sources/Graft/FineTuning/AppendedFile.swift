import GraftFiles

/// A file that only grows, written by one process at a time. It must be a regular file, never a
/// link, so that a folder from elsewhere cannot redirect writes.
final class AppendedFile {
  private let path: String
  private let descriptor: Int32
  private(set) var length: Int

  /// - Parameter length: the bytes to keep; the rest is truncated
  /// - Throws: `GraftError` if the file cannot be written, is shorter, or is open in another
  ///   process
  init(_ path: String, length: Int) throws {
    self.path = path
    self.length = length
    // Does not wait for a reader if it is a pipe.
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
    let opened = FileSystem.open(path, flags, 0o644)
    let openingError = errno
    descriptor = opened
    guard opened >= 0 else {
      guard ![ELOOP, ENXIO, EISDIR].contains(openingError) else {
        throw AppendedFile.unusual(path)
      }
      throw GraftError.creating(path, openingError)
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
      throw AppendedFile.unusual(path)
    }
    try lock()
    guard fstat(descriptor, &status) == 0 else { throw failure }
    guard length >= 0, Int(status.st_size) >= length else {
      throw GraftError(
        .badData,
        "the log is damaged: it has \(status.st_size) bytes; the checkpoint requires \(length)",
        places: [path], hint: "Restore it, or start another run with --output")
    }
    let isLonger = Int(status.st_size) > length
    guard !isLonger || ftruncate(descriptor, off_t(length)) == 0,
      lseek(descriptor, 0, SEEK_END) >= 0
    else {
      throw failure
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  private func lock() throws {
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      switch errno {
      case EINTR: continue
      case EWOULDBLOCK:
        throw GraftError(
          .temporary, "another process is writing this run", places: [path],
          hint: "Wait until it ends, or choose another folder with --output")
      default:
        throw GraftError.system(
          .inputOutput, "cannot be locked", path,
          hint: "With --output, choose a folder on a file system that supports locks")
      }
    }
  }

  private static func unusual(_ path: String) -> GraftError {
    GraftError(
      .cannotCreate, "is a link or not a regular file", places: [path],
      hint: "Remove it, or choose another folder with --output")
  }

  func append(_ text: String) throws { try append(Array(text.utf8)) }

  func append(_ bytes: [UInt8]) throws {
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        if count < 0, errno == EINTR { continue }
        throw failure
      }
      start += count
    }
    length += bytes.count
  }

  func sync() throws { guard fsync(descriptor) == 0 else { throw failure } }

  private var failure: GraftError { GraftError.writing(path) }
}
