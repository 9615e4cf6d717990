import CArchive
import GraftFiles

/// Reads an archive in memory with libarchive, within limits. Names keep the archive's bytes.
final class ArchiveStream {
  private let archive: OpaquePointer
  private let bytes: FileBytes
  private let limits: ArchiveReader.Limits
  private var entry: OpaquePointer?
  private let budget: ArchiveBudget
  private var memberCount = 0

  init(_ bytes: FileBytes, limits: ArchiveReader.Limits, budget: ArchiveBudget) throws {
    guard let archive = archive_read_new() else {
      throw GraftError(.operatingSystem, "there is not enough memory to read archives")
    }
    self.archive = archive
    self.bytes = bytes
    self.limits = limits
    self.budget = budget
  }

  deinit { archive_read_free(archive) }

  func supportArchives() {
    archive_read_support_format_tar(archive)
    supportCompression()
  }

  /// Reads a compressed file as an archive of one member.
  func supportCompressedFiles() {
    archive_read_support_format_raw(archive)
    supportCompression()
  }

  /// The formats that libarchive unpacks itself; for others it would start programs.
  private func supportCompression() {
    archive_read_support_filter_gzip(archive)
    archive_read_support_filter_bzip2(archive)
    archive_read_support_filter_xz(archive)
  }

  /// Call it once, before the first member.
  func open() throws {
    let start = bytes.storage.baseAddress + bytes.range.lowerBound
    guard archive_read_open_memory(archive, start, bytes.count) == ARCHIVE_OK else {
      throw failure("is not an archive of a supported kind")
    }
  }

  /// Advances to the next member; false at the end.
  func nextMember() throws -> Bool {
    switch archive_read_next_header(archive, &entry) {
    case ARCHIVE_EOF: return false
    case ARCHIVE_OK, ARCHIVE_WARN: break
    default:
      throw failure(memberCount == 0 ? "is not an archive of a supported kind" : "is damaged")
    }
    memberCount += 1
    try limits.check(memberCount: memberCount)
    return true
  }

  /// The member's path.
  var name: String {
    (archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry)).map {
      String(fileName: $0)
    } ?? ""
  }

  /// The kind of a member.
  enum Kind: Equatable {
    case file
    case folder
    /// A symbolic link; its target is relative to the link's folder.
    case link(String)
    /// Another name for a member, given by its path from the root.
    case hardLink(String)
    case special
  }

  var kind: Kind {
    // A hard link with content counts as a file.
    if let target = archive_entry_hardlink(entry), archive_entry_size(entry) == 0 {
      return .hardLink(String(fileName: target))
    }
    switch archive_entry_filetype(entry) {
    case 0o100000: return .file
    case 0o040000: return .folder
    case 0o120000: return .link(archive_entry_symlink(entry).map { String(fileName: $0) } ?? "")
    default: return .special
    }
  }

  /// The member's bytes: a range of the archive if it is not compressed, otherwise a copy.
  ///
  /// - Parameter isNeeded: decides by the first bytes; of a rejected member only these are kept
  func content(while isNeeded: ((UnsafeRawBufferPointer) -> Bool)?) throws -> FileBytes {
    var content = GrowingBytes(
      expectedCount: archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : 0)
    var place: Range<Int>?
    var isDecided = isNeeded == nil
    var isKept = true
    try read { block, range in
      if let range, content.count == 0, place == nil || place?.upperBound == range.lowerBound {
        place = (place?.lowerBound ?? range.lowerBound)..<range.upperBound
        return
      }
      if let known = place {
        // The content is not contiguous and must be copied.
        try content.append(bytes.bytes(in: known))
        place = nil
      }
      if isKept { try content.append(block) }
      if !isDecided, content.count >= Self.decidingCount, let isNeeded {
        isDecided = true
        isKept = try content.bytes.withUnsafeBytes(isNeeded)
        if !isKept { content.cut(to: Self.decidingCount) }
      }
    }
    if let place { return FileBytes(bytes.storage, place) }
    return try content.bytes
  }

  /// Enough bytes to recognize an image.
  private static let decidingCount = 512

  /// Skips the member. It is still unpacked, within the limits.
  func skip() throws { try read { _, _ in } }

  /// Calls `take` with each piece of the member, and its range in the storage if it is part of the
  /// archive.
  private func read(_ take: (UnsafeRawBufferPointer, Range<Int>?) throws -> Void) throws {
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
        throw GraftError.unsupported("has gaps (a sparse file)", hint: ArchiveBudget.hint)
      }
      position += count
      let start = block.map { $0 - UnsafeRawPointer(bytes.storage.baseAddress) } ?? -1
      let isOwn = start >= bytes.range.lowerBound && start + count <= bytes.range.upperBound
      try budget.reserve(count)
      try take(
        UnsafeRawBufferPointer(start: block, count: count), isOwn ? start..<start + count : nil)
    }
  }

  private func failure(_ what: String) -> GraftError {
    let reason = archive_error_string(archive).map { ": \(String(cString: $0))" } ?? ""
    return .badData(what + reason)
  }
}

/// Bytes whose final number is unknown or untrusted.
private struct GrowingBytes {
  private let expectedCount: Int
  private var storage: Storage?
  private(set) var count = 0

  /// The memory to allocate before any bytes arrive.
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

  mutating func cut(to count: Int) { self.count = min(self.count, count) }

  var bytes: FileBytes {
    get throws {
      guard let storage else { return try FileBytes(copying: []) }
      return FileBytes(storage, 0..<count)
    }
  }
}
