import Foundation
import GraftTensor

/// A file that only grows, and that one process at a time writes.
final class AppendedFile {
  private let path: String
  private let descriptor: Int32
  private(set) var length: Int

  /// - Parameter length: what lies behind it is cut off
  /// - Throws: `GraftError` if the file cannot be written, is shorter than that, or another process has it open.
  init(_ path: String, length: Int) throws {
    self.path = path
    self.length = length
    descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw GraftError.creating(path)
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else { throw failure }
      throw GraftError(
        .temporary, "another process writes this run", places: [path],
        hint: "Wait for its end, or choose another folder with --output")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure }
    guard length >= 0, Int(status.st_size) >= length else {
      throw GraftError(
        .badData,
        "the log is damaged: it has \(status.st_size) bytes, and the checkpoint knows of \(length)",
        places: [path], hint: "Restore it, or start another run with --output")
    }
    let isLonger = Int(status.st_size) > length
    guard !isLonger || ftruncate(descriptor, off_t(length)) == 0,
      lseek(descriptor, 0, SEEK_END) >= 0
    else {
      throw failure
    }
  }

  deinit { close(descriptor) }

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
