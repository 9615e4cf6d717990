import CArchive
import GraftFiles
import GraftVision

/// Unpacks archives into memory: libarchive reads tar, plain or compressed by gzip, bzip2 or xz;
/// libzip reads ZIP.
///
/// Nothing is written to disk, and no other program is started. Links only lead to members of the
/// archive. Devices, hidden files, and files that no dataset uses are left out and counted. Paths
/// that lead out of the archive are errors, and so is exceeding the limits.
package enum ArchiveReader {
  /// The limits of an archive's contents, since an archive may unpack to far more than its size.
  package struct Limits: Sendable {
    /// Bytes of all members and of their names.
    package var byteCount = 4 << 30
    package var memberCount = 2_000_000
    /// Nested folders.
    package var depth = 32

    package init() {}
  }

  /// The contents of an archive.
  ///
  /// - Throws: `GraftError` if the file is missing, of another kind, damaged, or exceeds the limits
  package static func folder(path: String, limits: Limits = Limits()) throws -> DataFolder {
    try folder(FileBytes(mapping: path), place: path, limits: limits)
  }

  package static func folder(
    _ bytes: FileBytes, place: String, limits: Limits = Limits()
  ) throws -> DataFolder {
    try withPlace(place) {
      let tree =
        bytes.starts(with: Array("PK".utf8))
        ? try zipTree(bytes, limits) : try withPlainLocale { try tarTree(bytes, limits) }
      return try tree.folder(place: place)
    }
  }

  private static func zipTree(_ bytes: FileBytes, _ limits: Limits) throws -> ArchiveTree {
    let budget = ArchiveBudget(limits, packedByteCount: bytes.count)
    let archive = try ZipArchive(bytes)
    try limits.check(memberCount: archive.count)
    let root = ArchiveTree(budget)
    for number in 0..<archive.count {
      let member = try archive.member(number)
      guard member.name.utf8.last != UInt8(ascii: "/"),
        let path = try path(member.name, limits)
      else { continue }
      if path.contains(where: DataFile.isHidden) {
        root.leftOut.add(.system)
      } else if member.isLink {
        try budget.reserve(member.byteCount)
        let content = try archive.content(of: member)
        let target = String(
          fileName: UnsafeRawBufferPointer(start: content.baseAddress, count: content.byteCount))
        try root.insert(linkTo: linkTarget(target, from: path), path)
      } else if let name = path.last, DataFile.isNeeded(name) {
        try budget.reserve(member.byteCount)
        let content = try archive.content(of: member)
        try root.insert(FileBytes(content, 0..<content.byteCount), path)
      } else {
        root.leftOut.add(.otherKind(ending: FilePath.ending(of: member.name)))
      }
    }
    return root
  }

  /// Links may lead to members that were left out. These are known only after a pass through the
  /// archive, which is then repeated.
  private static func tarTree(_ bytes: FileBytes, _ limits: Limits) throws -> ArchiveTree {
    let (tree, leftOut) = try tarTree(bytes, limits, wanted: [])
    let missing = tree.missingTargets.map { Array($0.joined(separator: "/").utf8) }
    let wanted = missing.filter { leftOut.contains($0.hashValue) }
    return wanted.isEmpty ? tree : try tarTree(bytes, limits, wanted: Set(wanted)).tree
  }

  /// - Parameter wanted: the paths of members that links lead to
  /// - Returns: the members, and hashes of the paths of those that were left out
  private static func tarTree(
    _ bytes: FileBytes, _ limits: Limits, wanted: Set<[UInt8]>
  ) throws -> (tree: ArchiveTree, leftOut: Set<Int>) {
    let budget = ArchiveBudget(limits, packedByteCount: bytes.count)
    let stream = try ArchiveStream(bytes, limits: limits, budget: budget)
    stream.supportArchives()
    try stream.open()
    let root = ArchiveTree(budget)
    var leftOut: Set<Int> = []
    while try stream.nextMember() {
      guard stream.kind != .folder, let path = try path(stream.name, limits), let name = path.last
      else {
        try stream.skip()
        continue
      }
      let isHidden = path.contains(where: DataFile.isHidden)
      switch stream.kind {
      case .link(let target):
        if isHidden {
          root.leftOut.add(.system)
        } else {
          try root.insert(linkTo: linkTarget(target, from: path), path)
        }
        try stream.skip()
      case .hardLink(let target):
        if isHidden {
          root.leftOut.add(.system)
        } else {
          try root.insert(linkTo: linkTarget(target, from: [name]), path)
        }
        try stream.skip()
      case .file where !isHidden && DataFile.isNeeded(name):
        let isImage = DataFile(name: name, path: "").isImage
        let content = try withPlace(path.joined(separator: "/")) {
          try isImage
            ? stream.content(while: { Image.isRecognized($0) }) : stream.content(while: nil)
        }
        try root.insert(content, path)
      case .file:
        let key = Array(path.joined(separator: "/").utf8)
        if wanted.contains(key) {
          root.insert(target: try stream.content(while: nil), path)
        } else {
          leftOut.insert(key.hashValue)
          try stream.skip()
        }
        root.leftOut.add(isHidden ? .system : .otherKind(ending: FilePath.ending(of: name)))
      case .special:
        root.leftOut.add(isHidden ? .system : .special)
        try stream.skip()
      case .folder: break
      }
    }
    return (root, leftOut)
  }

  /// The path of a member, as names; `nil` for the archive's root.
  ///
  /// - Throws: `GraftError` if the path leads out of the archive or is too deep
  private static func path(_ text: String, _ limits: Limits) throws -> [String]? {
    let names = FilePath.components(of: text).filter { $0 != "." }
    guard !FilePath.isAbsolute(text), !names.contains("..") else {
      throw GraftError.badData("has the member '\(text)', which leads out of it")
    }
    guard names.count <= limits.depth else {
      throw GraftError.badData("has a member more than \(limits.depth) folders deep: '\(text)'")
    }
    return names.isEmpty ? nil : names
  }

  /// The target of a link as a path from the root; `nil` if it leads out of the archive.
  private static func linkTarget(_ target: String, from path: [String]) -> [String]? {
    guard !FilePath.isAbsolute(target) else { return nil }
    var result = Array(path.dropLast())
    for name in FilePath.components(of: target) where name != "." {
      if name == ".." {
        if result.isEmpty { return nil }
        result.removeLast()
      } else {
        result.append(name)
      }
    }
    return result
  }

  /// Runs `body` with an ASCII locale on this thread, so that libarchive leaves the bytes of names
  /// as they are. In a Unicode locale it would compose characters, which could make two names
  /// equal.
  private static func withPlainLocale<Result>(_ body: () throws -> Result) rethrows -> Result {
    guard let plain = newlocale(1 << LC_CTYPE, "C", nil) else { return try body() }
    let previous = uselocale(plain)
    defer {
      uselocale(previous)
      freelocale(plain)
    }
    return try body()
  }

  /// Whether the bytes are a compressed file or an archive.
  package static func recognizes(_ bytes: FileBytes) -> Bool {
    let starts: [[UInt8]] = [
      [0x1f, 0x8b], Array("BZh".utf8), [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0],
      Array("PK\u{3}\u{4}".utf8),
    ]
    let tarMark = Array("ustar".utf8)
    return starts.contains(where: bytes.starts(with:))
      || (try? bytes.part(at: 257, count: tarMark.count))?.starts(with: tarMark) == true
  }

  /// The content of a gzip file; other bytes are returned unchanged.
  ///
  /// - Throws: `GraftError` if it is damaged or exceeds the limits
  package static func unpacked(
    _ bytes: FileBytes, limits: Limits = Limits()
  ) throws -> FileBytes {
    guard bytes.starts(with: [0x1f, 0x8b]) else { return bytes }
    let stream = try ArchiveStream(
      bytes, limits: limits, budget: ArchiveBudget(limits, packedByteCount: bytes.count))
    stream.supportCompressedFiles()
    try stream.open()
    guard try stream.nextMember() else { return try FileBytes(copying: []) }
    return try stream.content(while: nil)
  }
}

extension ArchiveReader.Limits {
  func check(memberCount count: Int) throws {
    guard count <= memberCount else {
      throw GraftError.badData("has more than \(memberCount) members", hint: ArchiveBudget.hint)
    }
  }
}
