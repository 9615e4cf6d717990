/// A regular file open for reading; closed when the last reference is released.
///
/// Every input file is opened this way. Named pipes and devices are refused: the one would wait for
/// a writer, the other may never end.
package final class InputDescriptor {
  package let number: Int32
  package let byteCount: Int

  /// - Throws: `GraftError` if the file is missing, cannot be opened, or is not a regular file
  package convenience init(_ path: String) throws { try self.init(path, flags: 0) }

  /// Like ``init(_:)``, for a file that only this user can have written: the user owns it, no one
  /// else may write to it, and it is not a link.
  ///
  /// - Throws: `GraftError`, also if others could have written the file
  package convenience init(own path: String) throws {
    try self.init(path, flags: O_NOFOLLOW)
    var status = stat()
    guard fstat(number, &status) == 0, status.isOwn, status.st_mode & (S_IWGRP | S_IWOTH) == 0
    else {
      throw GraftError(.noInput, "may have been written by another user", places: [path])
    }
  }

  private init(_ path: String, flags: Int32) throws {
    number = FileSystem.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags)
    guard number >= 0 else {
      // A socket, for example, cannot even be opened.
      let reason = errno
      if let status = FileSystem.status(of: path), let kind = InputDescriptor.kind(status) {
        throw InputDescriptor.refusal(kind, path)
      }
      throw GraftError.opening(path, reason)
    }
    var status = stat()
    guard fstat(number, &status) == 0 else {
      let error = GraftError.opening(path)
      close(number)
      throw error
    }
    if let kind = InputDescriptor.kind(status) {
      close(number)
      throw InputDescriptor.refusal(kind, path)
    }
    byteCount = Int(status.st_size)
  }

  deinit { close(number) }

  /// The last `count` bytes of the file, or all if it is shorter; empty on failure.
  package func suffix(_ count: Int) -> [UInt8] { bytes(from: max(0, byteCount - count), count) }

  /// The first `count` bytes of the file, or all if it is shorter; empty on failure.
  package func prefix(_ count: Int) -> [UInt8] { bytes(from: 0, count) }

  private func bytes(from offset: Int, _ count: Int) -> [UInt8] {
    let count = min(count, byteCount - offset)
    var bytes = [UInt8](repeating: 0, count: count)
    var position = 0
    while position < count {
      let read = bytes.withUnsafeMutableBytes { buffer in
        pread(number, buffer.baseAddress! + position, count - position, offset + position)
      }
      if read < 0, errno == EINTR { continue }
      guard read > 0 else { return [] }
      position += read
    }
    return bytes
  }

  /// The kind of a file that is not a regular file.
  private static func kind(_ status: stat) -> String? {
    switch status.st_mode & S_IFMT {
    case S_IFREG: nil
    case S_IFDIR: "a folder"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    default: "a device"
    }
  }

  private static func refusal(_ kind: String, _ path: String) -> GraftError {
    GraftError(.noInput, "is \(kind), not a regular file", places: [path])
  }
}

extension stat {
  /// Whether the file belongs to the user of this process.
  package var isOwn: Bool { st_uid == geteuid() }
}
