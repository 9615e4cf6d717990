import CZip
import GraftFiles

/// Reads a ZIP archive in memory with libzip: the directory at once, members on demand.
final class ZipArchive {
  struct Member {
    /// In UTF-8 if the archive says so or it is valid; otherwise converted from code page 437, the
    /// format's default. A Unicode path in an extra field takes precedence.
    ///
    /// Source: APPNOTE.TXT, appendix D and field 0x7075
    /// (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>)
    let name: String
    let byteCount: Int
    /// The content of a symbolic link is its target.
    let isLink: Bool
    fileprivate let index: zip_uint64_t
  }

  private let archive: OpaquePointer
  private let bytes: FileBytes
  let count: Int

  /// Deflate expands data by about 1,032 to 1 at most; others are not much better.
  static let ratioLimit = 1100
  private static let systemUnix = 3
  private static let windowsSystems: Set = [0, 10, 11]

  /// - Throws: `GraftError` if the bytes are not a ZIP archive
  init(_ bytes: FileBytes) throws {
    self.bytes = bytes
    var error = zip_error_t()
    zip_error_init(&error)
    defer { zip_error_fini(&error) }
    let start = bytes.storage.baseAddress + bytes.range.lowerBound
    guard let source = zip_source_buffer_create(start, zip_uint64_t(bytes.count), 0, &error) else {
      throw GraftError(.operatingSystem, String(cString: zip_error_strerror(&error)))
    }
    guard let archive = zip_open_from_source(source, ZIP_RDONLY, &error) else {
      zip_source_free(source)
      throw GraftError.badData(
        "is not a valid ZIP archive: " + String(cString: zip_error_strerror(&error)))
    }
    self.archive = archive
    count = Int(zip_get_num_entries(archive, 0))
  }

  deinit { zip_discard(archive) }

  /// - Precondition: `number` is in `0 ..< count`
  /// - Throws: `GraftError` if the archive's entry of the member is invalid
  func member(_ number: Int) throws -> Member {
    let index = zip_uint64_t(number)
    var status = zip_stat_t()
    guard zip_stat_index(archive, index, 0, &status) == 0, let text = status.name else {
      throw GraftError.badData("has a damaged directory")
    }
    var system: UInt8 = 0
    var attributes: UInt32 = 0
    zip_file_get_external_attributes(archive, index, 0, &system, &attributes)
    var name = String(fileName: text)
    if Self.windowsSystems.contains(Int(system)), name.utf8.contains(UInt8(ascii: "\\")) {
      // Some DOS programs write backslashes.
      name = String(
        decoding: name.utf8.map { $0 == UInt8(ascii: "\\") ? UInt8(ascii: "/") : $0 },
        as: UTF8.self)
    }
    return try withPlace(name) {
      let limit = min(status.comp_size, zip_uint64_t(bytes.count)) * zip_uint64_t(Self.ratioLimit)
      guard status.size <= limit else {
        throw GraftError.badData("declares the invalid size of \(status.size) bytes")
      }
      guard status.encryption_method == zip_uint16_t(ZIP_EM_NONE) else {
        throw GraftError.unsupported(
          "is encrypted", hint: "Unpack the archive and use the folder")
      }
      return Member(
        name: name, byteCount: Int(status.size),
        isLink: Int(system) == Self.systemUnix && attributes >> 16 & 0o170000 == 0o120000,
        index: index)
    }
  }

  /// The member's bytes, with their checksum verified.
  func content(of member: Member) throws -> Storage {
    try withPlace(member.name) {
      guard let file = zip_fopen_index(archive, member.index, 0) else {
        throw GraftError.badData(String(cString: zip_strerror(archive)))
      }
      defer { zip_fclose(file) }
      let storage = try Storage.heap(byteCount: member.byteCount)
      let count = zip_fread(file, storage.baseAddress, zip_uint64_t(member.byteCount))
      // Reading to the end verifies the checksum.
      var beyond: UInt8 = 0
      guard count == Int64(member.byteCount), zip_fread(file, &beyond, 1) == 0 else {
        throw GraftError.badData("is truncated or damaged")
      }
      return storage
    }
  }
}
