import CArchive
import GraftFiles

/// libarchive's reader over bytes in memory, with limits on what comes out. Names are the archive's bytes.
final class ArchiveStream {
  private let archive: OpaquePointer
  private let bytes: FileBytes
  private let limits: ArchiveReader.Limits
  private var entry: OpaquePointer?
  private let budget: ArchiveBudget
  private var memberCount = 0

  init(_ bytes: FileBytes, limits: ArchiveReader.Limits, budget: ArchiveBudget) throws {
    guard let archive = archive_read_new() else {
      throw GraftError(.operatingSystem, "there is no memory for reading archives")
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
    try limits.check(memberCount: memberCount)
    return true
  }

  /// The member's path.
  var name: String {
    (archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry)).map {
      String(fileName: $0)
    } ?? ""
  }

  /// What a member is.
  enum Kind: Equatable {
    case file
    case folder
    /// A symbolic link; its target is relative to the folder it lies in.
    case link(String)
    /// Another name of a member; its path from the root.
    case hardLink(String)
    case special
  }

  var kind: Kind {
    // With bytes of its own, it is as good as a file.
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

  /// The member's bytes: where they lie in the archive, if it is not compressed, else a copy.
  ///
  /// - Parameter isOfUse: judges by the first bytes; of what it refuses only these are kept
  func content(while isOfUse: ((UnsafeRawBufferPointer) -> Bool)?) throws -> FileBytes {
    var content = GrowingBytes(
      expectedCount: archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : 0)
    var place: Range<Int>?
    var isDecided = isOfUse == nil
    var isKept = true
    try read { block, range in
      if let range, content.count == 0, place == nil || place?.upperBound == range.lowerBound {
        place = (place?.lowerBound ?? range.lowerBound)..<range.upperBound
        return
      }
      if let known = place {
        // It goes on elsewhere, so that a copy it must be.
        try content.append(bytes.bytes(in: known))
        place = nil
      }
      if isKept { try content.append(block) }
      if !isDecided, content.count >= Self.decidingCount, let isOfUse {
        isDecided = true
        isKept = try content.bytes.withUnsafeBytes(isOfUse)
        if !isKept { content.cut(to: Self.decidingCount) }
      }
    }
    if let place { return FileBytes(bytes.storage, place) }
    return try content.bytes
  }

  /// As many bytes tell whether something is an image.
  private static let decidingCount = 512

  /// Goes past the member. It is unpacked nevertheless, which the limits hold for.
  func skip() throws { try read { _, _ in } }

  /// Calls `take` with the member's bytes, piece by piece, and where in the storage they lie if they are
  /// the archive's own.
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
      try budget.take(count)
      try take(
        UnsafeRawBufferPointer(start: block, count: count), isOwn ? start..<start + count : nil)
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
  private(set) var count = 0

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

  mutating func cut(to count: Int) { self.count = min(self.count, count) }

  var bytes: FileBytes {
    get throws {
      guard let storage else { return try FileBytes(copying: []) }
      return FileBytes(storage, 0..<count)
    }
  }
}
