/// Errors of system calls on files. The same cause always has the same exit code.
extension GraftError {
  /// A file could not be opened for reading.
  package static func opening(_ path: String, _ number: Int32 = errno) -> GraftError {
    system(.noInput, "cannot be opened", path, number)
  }

  /// A file could not be read.
  package static func reading(_ path: String, _ number: Int32 = errno) -> GraftError {
    system(.inputOutput, "cannot be read", path, number)
  }

  /// A file or folder could not be created or renamed.
  package static func creating(_ path: String, _ number: Int32 = errno) -> GraftError {
    system(.cannotCreate, "cannot be created", path, number)
  }

  /// A file could not be written.
  package static func writing(_ path: String, _ number: Int32 = errno) -> GraftError {
    system(.inputOutput, "cannot be written", path, number)
  }

  /// A system call failed.
  ///
  /// - Parameters:
  ///   - code: the exit code for causes without their own
  ///   - path: the file or folder
  package static func system(
    _ code: Code, _ what: String, _ path: String? = nil, _ number: Int32 = errno,
    hint: String? = nil
  ) -> GraftError {
    let code =
      switch number {
      case ENOSPC, EDQUOT, EFBIG, EIO, EFAULT: Code.inputOutput
      case EMFILE, ENFILE, ENOMEM: Code.operatingSystem
      default: code
      }
    return GraftError(
      code, "\(what): \(systemReason(number))", places: path.map { [$0] } ?? [], hint: hint)
  }

  /// Why a system call failed, in the system's words.
  package static func systemReason(_ number: Int32 = errno) -> String {
    // Only the pages of a mapped file can be gone.
    number == EFAULT
      ? "a file that was in use has become shorter" : String(cString: strerror(number))
  }
}
