import GraftFiles

/// A file during its download: `NAME.part`, and next to it the server's validator of this version.
///
/// While it is open, no other process downloads to it.
final class PartialFile {
  let path: String
  private(set) var byteCount: Int
  private let descriptor: Int32
  private var validatorPath: String { "\(path).version" }

  /// - Throws: `GraftError` if it cannot be created, or another process is downloading to it
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
        hint: "Wait until that is done")
    }
    byteCount = Int(lseek(descriptor, 0, SEEK_END))
  }

  deinit { close(descriptor) }

  /// The headers that request the rest of the file if it has not changed.
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

  /// Stores the server's validator; weak ones do not guarantee identical bytes.
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

  /// Moves the complete file to its destination.
  func moveInPlace(_ destination: String) throws {
    guard fsync(descriptor) == 0, FileSystem.move(path, to: destination) == 0 else {
      throw GraftError.writing(destination)
    }
    FileSystem.remove(validatorPath)
  }
}
