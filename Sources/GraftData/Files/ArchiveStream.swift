import CArchive
import GraftTensor

/// libarchive's reader over bytes in memory, with limits on what comes out.
final class ArchiveStream {
  private let archive: OpaquePointer
  private let bytes: FileBytes
  private let limits: ArchiveReader.Limits
  private var entry: OpaquePointer?
  private var memberCount = 0
  private var byteCount = 0

  /// The type bits of a regular file's mode.
  private static let regularFile: mode_t = 0o100000
  private static let hint = "Unpack it, and give the folder."

  init(_ bytes: FileBytes, limits: ArchiveReader.Limits) throws {
    guard let archive = archive_read_new() else {
      throw GraftError(.operatingSystem, "there is no memory for reading archives")
    }
    self.archive = archive
    self.bytes = bytes
    self.limits = limits
  }

  deinit { archive_read_free(archive) }

  func supportArchives() {
    archive_read_support_format_tar(archive)
    archive_read_support_format_zip(archive)
    supportCompression()
  }

  /// A file that is compressed by itself, as one member.
  func supportCompressedFiles() {
    archive_read_support_format_raw(archive)
    supportCompression()
  }

  /// What libarchive unpacks itself; for other kinds it would start programs.
  private func supportCompression() {
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_bzip2(archive)
    archive_read_support_filter_xz(archive)
  }

  /// To be called once, before the first member.
  func open() throws {
    let start = bytes.storage.baseAddress + bytes.range.lowerBound
    guard archive_read_open_memory(archive, start, bytes.count) == ARCHIVE_OK else {
      throw failure("is no archive of a known kind")
    }
  }

  /// Goes to the next member; false at the end.
  func nextMember() throws -> Bool {
    switch archive_read_next_header(archive, &entry) {
    case ARCHIVE_EOF: return false
    case ARCHIVE_OK, ARCHIVE_WARN: break
    default: throw failure(memberCount == 0 ? "is no archive of a known kind" : "is damaged")
    }
    memberCount += 1
    guard memberCount <= limits.memberCount else {
      throw GraftError.badData("has more than \(limits.memberCount) members", hint: Self.hint)
    }
    return true
  }

  /// The names of the member's folders and of itself; `nil` unless it is a regular file.
  ///
  /// - Throws: `GraftError` if the path leads out of the archive or is too deep.
  func memberPath() throws -> [String]? {
    guard archive_entry_filetype(entry) == Self.regularFile, archive_entry_hardlink(entry) == nil
    else { return nil }
    guard let text = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry) else {
      throw GraftError.badData("has a member whose name is in unknown characters")
    }
    let path = String(cString: text)
    let names = path.split(separator: "/").map(String.init).filter { $0 != "." }
    guard !path.hasPrefix("/"), !names.contains("..") else {
      throw GraftError.badData("has the member '\(path)', which leads out of it")
    }
    guard names.count <= limits.depth else {
      throw GraftError.badData("has a member in more than \(limits.depth) folders: '\(path)'")
    }
    return names.isEmpty ? nil : names
  }

  /// The member's bytes.
  func content() throws -> FileBytes {
    var content = GrowingBytes(
      expectedCount: archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : 0)
    try read { try content.append($0) }
    return try content.bytes
  }

  /// Goes past the member. It is unpacked nevertheless, which the limits hold for.
  func skip() throws { try read { _ in } }

  private func read(_ take: (UnsafeRawBufferPointer) throws -> Void) throws {
    var position = 0
    while true {
      var block: UnsafeRawPointer?
      var count = 0
      var offset: la_int64_t = 0
      switch archive_read_data_block(archive, &block, &count, &offset) {
      case ARCHIVE_EOF: return
      case ARCHIVE_OK, ARCHIVE_WARN: break
      default: throw failure("is damaged")
      }
      guard offset == position else {
        throw GraftError.unsupported("has gaps (a sparse file)", hint: Self.hint)
      }
      position += count
      byteCount += count
      guard byteCount <= limits.byteCount else {
        throw GraftError.badData(
          "unpacks to more than \(limits.byteCount >> 20) MB, too much for memory",
          hint: Self.hint)
      }
      try take(UnsafeRawBufferPointer(start: block, count: count))
    }
  }

  private func failure(_ what: String) -> GraftError {
    let reason = archive_error_string(archive).map { ": \(String(cString: $0))" } ?? ""
    return .badData(what + reason)
  }
}

/// Bytes of which it is not known, or not believed, how many there will be.
private struct GrowingBytes {
  private let expectedCount: Int
  private var storage: Storage?
  private var count = 0

  /// Memory that is taken before anything has come.
  private static let startCount = 1 << 16

  init(expectedCount: Int) { self.expectedCount = max(0, expectedCount) }

  mutating func append(_ source: UnsafeRawBufferPointer) throws {
    guard source.count > 0 else { return }
    let capacity = storage?.byteCount ?? 0
    let needed = count + source.count
    if needed > capacity {
      let doubled = max(needed, 2 * capacity, Self.startCount)
      let larger = try Storage.heap(
        byteCount: expectedCount >= needed ? min(doubled, expectedCount) : doubled)
      if let storage { larger.baseAddress.copyMemory(from: storage.baseAddress, byteCount: count) }
      storage = larger
    }
    guard let storage, let start = source.baseAddress else { return }
    (storage.baseAddress + count).copyMemory(from: start, byteCount: source.count)
    count = needed
  }

  var bytes: FileBytes {
    get throws {
      guard let storage else { return try FileBytes(copying: []) }
      return FileBytes(storage, 0..<count)
    }
  }
}
