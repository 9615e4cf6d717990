import GraftTensor
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Reads HDF5 files in a child process with limits on memory and time, so that a damaged file that
/// makes libhdf5 crash or run wild is a message.
///
/// The child is this executable, started afresh with one argument. It gets three descriptors: the
/// file, an empty file for elements that must be decoded, and another one, as its output, for a
/// ``WeightsAnswer``.
package enum HDF5ReaderProcess {
  static let argument = "__read-hdf5-weights"
  static let fileDescriptor: Int32 = 3
  static let decodedDescriptor: Int32 = 4

  private static let isPrepared = Mutex(false)

  /// Whether this executable has called ``runIfRequested()``.
  package static var isAvailable: Bool { isPrepared.withLock { $0 } }

  /// To be called first of all in `main`: does not return in a process that was started to read a
  /// file.
  package static func runIfRequested() {
    isPrepared.withLock { $0 = true }
    guard CommandLine.arguments.count == 2, CommandLine.arguments[1] == argument else { return }
    HDF5ReaderChild.run()
  }

  /// Reads the file open at `descriptor` in a child process that runs `executable`.
  ///
  /// - Throws: `GraftError` as the reader throws, or if the child crashes or exceeds a limit.
  static func read(
    descriptor: Int32, fileByteCount: Int, executable: String
  ) throws -> (WeightsListing, Storage) {
    let decoded = try temporaryFile()
    defer { close(decoded) }
    let output = try temporaryFile()
    defer { close(output) }
    let child = try spawn(executable, file: descriptor, decoded: decoded, output: output)
    let status = wait(for: child)
    let text = try Storage.mappedFile(descriptor: output, path: "the reader's answer")
    // Far more than the listing of a sound file takes.
    let limit = 16 * min(fileByteCount, 1 << 32) + 1 << 20
    guard text.byteCount <= limit, let answer = WeightsAnswer(json: text) else {
      throw GraftError.badData(
        "libhdf5 cannot cope with it: \(explanation(status))", hint: "The file is damaged")
    }
    let listing = try answer.listing()
    return (listing, try Storage.mappedFile(descriptor: decoded, path: "decoded weights"))
  }

  /// An open file that has no name any more.
  private static func temporaryFile() throws -> Int32 {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(folder)/graft-weights-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw systemError("cannot make a temporary file in \(folder)") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
    return descriptor
  }

  private static func spawn(
    _ executable: String, file: Int32, decoded: Int32, output: Int32
  ) throws -> pid_t {
    // Moved out of the way of the numbers that the child expects.
    var moved: [Int32] = []
    defer { for descriptor in moved { close(descriptor) } }
    for descriptor in [file, decoded, output] {
      let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 10)
      guard copy >= 0 else { throw systemError("cannot copy a descriptor") }
      moved.append(copy)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, moved[0], fileDescriptor)
    posix_spawn_file_actions_adddup2(&actions, moved[1], decodedDescriptor)
    posix_spawn_file_actions_adddup2(&actions, moved[2], STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    // What the C library prints as it dies says nothing to a user.
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)

    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(executable), strdup(argument), nil]
    defer { for argument in arguments { free(argument) } }
    var child: pid_t = 0
    let status = posix_spawn(&child, executable, &actions, nil, &arguments, environ)
    guard status == 0 else {
      throw GraftError(
        .operatingSystem,
        "cannot start \(executable) to read HDF5: \(String(cString: strerror(status)))")
    }
    return child
  }

  private static func wait(for child: pid_t) -> Int32 {
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    return status
  }

  private static func explanation(_ status: Int32) -> String {
    switch status & 0x7f {
    case 0: "the reader ended with status \((status >> 8) & 0xff) and no answer"
    case SIGXCPU, SIGXFSZ, SIGKILL: "it took too long, or too much memory"
    case let signal: "it crashed (\(String(cString: strsignal(signal))))"
    }
  }

  private static func systemError(_ message: String) -> GraftError {
    GraftError(.operatingSystem, "\(message): \(String(cString: strerror(errno)))")
  }
}
