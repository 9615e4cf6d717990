import GraftFiles

/// A file that is still being downloaded: `NAME.part`, and beside it what the server calls this
/// version of it.
///
/// Nobody else downloads into it as long as it is open.
final class PartialFile {
  let path: String
  private(set) var byteCount: Int
  private let descriptor: Int32
  private var validatorPath: String { "\(path).version" }

  /// - Throws: `GraftError` if it cannot be made, or another process is downloading into it.
  init(for destination: String) throws {
    path = "\(destination).part"
    descriptor = FileSystem.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw GraftError.creating(path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      close(descriptor)
      guard reason == EWOULDBLOCK else { throw GraftError.writing(path, reason) }
      throw GraftError(
        .temporary, "another process is downloading it", places: [path],
        hint: "Wait until it is done")
    }
    byteCount = Int(lseek(descriptor, 0, SEEK_END))
  }

  deinit { close(descriptor) }

  /// The headers that ask for the rest of the file, as long as it is still the same one.
  ///
  /// Source: <https://www.rfc-editor.org/rfc/rfc9110#name-if-range>
  var resumeHeaders: [String] {
    guard byteCount > 0 else { return [] }
    let range = "Range: bytes=\(byteCount)-"
    guard let validator else { return [range] }
    return [range, "If-Range: \(validator)"]
  }

  private var validator: String? {
    guard let text = try? TextFile.read(validatorPath, limit: 1024) else { return nil }
    return text.isEmpty ? nil : text
  }

  /// Remembers what the server calls this version; weak ones do not vouch for each byte.
  func keep(validator: String?) {
    let text = validator.map { $0.hasPrefix("W/") || $0.utf8.count > 1000 ? "" : $0 } ?? ""
    try? TextFile.save(text, to: validatorPath)
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count = pwrite(descriptor, base + done, bytes.count - done, byteCount)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw GraftError.writing(path) }
      done += count
      byteCount += count
    }
  }

  func clear() throws {
    guard ftruncate(descriptor, 0) == 0 else { throw GraftError.writing(path) }
    byteCount = 0
  }

  func remove() {
    FileSystem.remove(path)
    FileSystem.remove(validatorPath)
  }

  /// Gives the complete file its name.
  func moveInPlace(_ destination: String) throws {
    guard fsync(descriptor) == 0, FileSystem.move(path, to: destination) == 0 else {
      throw GraftError.writing(destination)
    }
    FileSystem.remove(validatorPath)
  }
}
