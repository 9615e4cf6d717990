#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A regular file that is open for reading; closed when nothing refers to it any more.
///
/// This is how every input file is opened. A named pipe would wait for a writer, and a device may
/// never end, so both are refused at once.
package final class InputDescriptor {
  package let number: Int32
  package let byteCount: Int

  /// - Throws: `GraftError` if the file is missing, cannot be opened, or is not a regular file.
  package init(_ path: String) throws {
    number = FileSystem.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else {
      // What is not there for a reader, such as a socket, cannot even be opened.
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

  /// What a file is that is not a regular one.
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
