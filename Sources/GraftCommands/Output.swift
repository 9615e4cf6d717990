import GraftFiles
import Synchronization

/// Prints text and a newline on standard output.
///
/// Replaces Swift's `print`, which does not report failures.
///
/// - Throws: ``BrokenPipe`` if the reader is gone, and `GraftError` for other failures
func print(_ text: String, terminator: String = "\n") throws {
  try Output.write(text + terminator)
}

/// Standard output has no reader any more. The program ends as if by SIGPIPE.
struct BrokenPipe: Error {}

/// The output of a command, kept instead of printed.
package final class CapturedOutput: Sendable {
  private let texts = Mutex<[Int32: String]>([:])

  package init() {}

  package var output: String { texts.withLock { $0[STDOUT_FILENO] ?? "" } }
  package var errors: String { texts.withLock { $0[STDERR_FILENO] ?? "" } }

  fileprivate func append(_ text: String, to descriptor: Int32) {
    texts.withLock { $0[descriptor, default: ""] += text }
  }
}

/// Standard output and standard error of the commands; all of their output goes through here.
///
/// Names, labels and messages come from files and may contain control characters, which must never
/// reach a terminal.
enum Output {
  /// Where output goes instead, in tests.
  @TaskLocal static var captured: CapturedOutput?

  /// The first failure to write to standard output, reported at the end of the program.
  private static let failure = Mutex<(any Error)?>(nil)

  /// Makes standard input, output and error safe to use, even if the caller closed or limited them.
  static func prepare() {
    // A file opened later must not get the number of a closed standard stream. The substitute can
    // be neither read nor written, so that using it still fails.
    for (descriptor, mode) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ] where fcntl(descriptor, F_GETFD) < 0 {
      if open("/dev/null", mode) < 0 { _ = open("/", O_RDONLY | O_DIRECTORY) }
    }
    // Both become errors of a write instead of ending the program silently.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Writes to standard output.
  ///
  /// - Throws: as ``print(_:terminator:)``
  static func write(_ text: String) throws {
    guard !send(escaped(text), to: STDOUT_FILENO) else { return }
    let error: any Error =
      errno == EPIPE ? BrokenPipe() : GraftError.writing("standard output")
    failure.withLock { if $0 == nil { $0 = error } }
    throw error
  }

  /// Redraws the terminal's current line.
  ///
  /// - Throws: as ``print(_:terminator:)``
  static func redrawLine(_ text: String, terminator: String = "") throws {
    if send("\r\u{1b}[K", to: STDOUT_FILENO) { try write(text + terminator) }
  }

  /// - Throws: the error of the first failed write, even if its caller ignored it
  static func finish() throws {
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Writes to standard error; a closed or full one does not stop the program.
  static func writeError(_ text: String) {
    _ = send(escaped(text, where: isUnprintable), to: STDERR_FILENO)
  }

  /// Like ``redrawLine(_:terminator:)``, on standard error.
  static func redrawErrorLine(_ text: String) {
    _ = send("\r\u{1b}[K" + escaped(text, where: isUnprintable), to: STDERR_FILENO)
  }

  /// Whether everything was written; otherwise `errno` has the reason.
  private static func send(_ text: String, to descriptor: Int32) -> Bool {
    if let captured {
      captured.append(text, to: descriptor)
      return true
    }
    var text = text
    return text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = systemWrite(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN {
          var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          poll(&request, 1, -1)
          continue
        }
        guard count > 0 else { return false }
        done += count
      }
      return true
    }
  }

  /// `text` with all control characters except tabs and newlines escaped: `\u001b`.
  ///
  /// The notation is JSON's, so that JSON keeps its meaning.
  static func escaped(_ text: String) -> String {
    escaped(text) { isControl($0) && $0 != "\n" && $0 != "\t" }
  }

  /// `text` with all control characters and invalid bytes of file names escaped, for names and
  /// values on one line.
  static func oneLine(_ text: String) -> String {
    escaped(text) { isControl($0) || $0.fileNameByte != nil }
  }

  /// The characters that messages cannot show.
  private static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    isControl(scalar) && scalar != "\n" && scalar != "\t" || scalar.fileNameByte != nil
  }

  private static func escaped(
    _ text: String, where isEscaped: (Unicode.Scalar) -> Bool
  ) -> String {
    guard text.unicodeScalars.contains(where: isEscaped) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case _ where !isEscaped(scalar): result.unicodeScalars.append(scalar)
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default:
        if let byte = scalar.fileNameByte {
          result += "\\x" + String(byte, radix: 16)
          continue
        }
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
    return result
  }

  /// Control characters of ASCII and Latin 1, line separators, and characters that change the text
  /// direction, which could make names look alike. None is beyond U+FFFF.
  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028...0x202e, 0x2066...0x2069: true
    default: false
    }
  }
}

/// The system's `write`, whose name ``Output`` shadows.
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
