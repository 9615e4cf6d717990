import CArchive
import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Unpacks archives into memory by libarchive: tar, plain or compressed by gzip, bzip2 or xz, and
/// ZIP.
///
/// Nothing is ever written to disk, and no other program is started. Links, devices and hidden files
/// are left out; paths that lead out of the archive, and more bytes or members than the limits
/// allow, are errors.
package enum ArchiveReader {
  /// What an archive may hold, as it may unpack to far more than its own size.
  package struct Limits: Sendable {
    /// Bytes of all members together.
    package var byteCount = 4 << 30
    package var memberCount = 2_000_000
    /// Folders within folders.
    package var depth = 32

    package init() {}
  }

  /// All that lies in an archive.
  ///
  /// - Throws: `GraftError` if the file is missing, is no such archive, is damaged, or exceeds the
  ///   limits.
  package static func folder(path: String, limits: Limits = Limits()) throws -> DataFolder {
    try folder(FileBytes(mapping: path), place: path, limits: limits)
  }

  package static func folder(
    _ bytes: FileBytes, place: String, limits: Limits = Limits()
  ) throws -> DataFolder {
    try withPlace(place) {
      try withUnicodeLocale { try tree(bytes, limits: limits) }.folder(name: place, place: place)
    }
  }

  private static func tree(
    _ bytes: FileBytes, limits: ArchiveReader.Limits
  ) throws -> ArchiveTree {
    let stream = try ArchiveStream(bytes, limits: limits)
    stream.supportArchives()
    try stream.open()
    let root = ArchiveTree()
    while try stream.nextMember() {
      guard let member = try stream.memberPath(), !member.contains(where: DataFile.isHidden)
      else {
        try stream.skip()
        continue
      }
      root.insert(try withPlace(member.joined(separator: "/")) { try stream.content() }, member)
    }
    return root
  }

  /// Runs `body` with this thread's characters being UTF-8: libarchive converts names to those of
  /// the locale, and programs start with that of C, which has ASCII only.
  private static func withUnicodeLocale<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard let unicode = newlocale(1 << LC_CTYPE, "C.UTF-8", nil) else { return try body() }
    let previous = uselocale(unicode)
    defer {
      uselocale(previous)
      freelocale(unicode)
    }
    return try body()
  }

  /// Whether the bytes are those of a compressed file or of an archive.
  package static func recognizes(_ bytes: FileBytes) -> Bool {
    let starts: [[UInt8]] = [
      [0x1f, 0x8b], Array("BZh".utf8), [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
      Array("PK\u{3}\u{4}".utf8),
    ]
    let tarMark = Array("ustar".utf8)
    return starts.contains(where: bytes.starts(with:))
      || (try? bytes.part(at: 257, count: tarMark.count))?.starts(with: tarMark) == true
  }

  /// The content of a file compressed by gzip; other bytes are returned as they are.
  ///
  /// - Throws: `GraftError` if it is damaged or exceeds the limits.
  package static func unpacked(
    _ bytes: FileBytes, limits: Limits = Limits()
  ) throws -> FileBytes {
    guard bytes.starts(with: [0x1f, 0x8b]) else { return bytes }
    let stream = try ArchiveStream(bytes, limits: limits)
    stream.supportCompressedFiles()
    try stream.open()
    guard try stream.nextMember() else { return try FileBytes(copying: []) }
    return try stream.content()
  }
}

/// Folders under construction.
private final class ArchiveTree {
  private var files: [String: FileBytes] = [:]
  private var folders: [String: ArchiveTree] = [:]

  /// A later member replaces an earlier one of the same path, as it does when tar unpacks.
  func insert(_ content: FileBytes, _ path: [String]) {
    var tree = self
    for name in path.dropLast() {
      let child = tree.folders[name] ?? ArchiveTree()
      tree.folders[name] = child
      tree = child
    }
    if let name = path.last { tree.files[name] = content }
  }

  /// - Parameter place: what messages call the folder
  func folder(name: String, place: String, separator: String = ": ") -> DataFolder {
    var result = DataFolder(name: name, place: place)
    result.files = files.map { name, bytes in
      DataFile(name: name, place: place + separator + name, unpacked: bytes)
    }
    result.folders = folders.map { name, tree in
      tree.folder(name: name, place: place + separator + name, separator: "/")
    }
    result.sort()
    return result
  }
}
