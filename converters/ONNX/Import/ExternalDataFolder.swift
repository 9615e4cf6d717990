import GraftFiles
import GraftGraph
import GraftTensor

/// The folder of a model, from which its external data is read.
///
/// A model must not make Graft open arbitrary files: after links are followed, the file must be a
/// regular file in the model's folder. One exception is the Hugging Face cache, where
/// `snapshots/REVISION/…` links to `blobs`: a model below such a `snapshots` folder may have its
/// data in the `blobs` next to it.
final class ExternalDataFolder {
  private let path: String
  private let budget: ImportBudget
  private var locations: [ByteString: Storage] = [:]
  private var files: [FileIdentity: Storage] = [:]

  init(path: String, budget: ImportBudget) {
    self.path = path.isEmpty ? "." : path
    self.budget = budget
  }

  /// A file in the folder, mapped.
  ///
  /// - Parameter location: a path relative to the folder
  func file(_ location: String) throws -> Storage {
    if let file = locations[location] { return file }
    var file = try withPlace("external data '\(location)'") { try map(location) }
    if let identity = file.file {
      if let known = files[identity] {
        file = known
      } else {
        files[identity] = file
        budget.add(storedByteCount: file.byteCount)
      }
    }
    locations[location] = file
    return file
  }

  /// The files that were read, by name.
  var sourceFiles: [Graph.SourceFile] {
    locations.sorted { $0.key < $1.key }.compactMap { location, storage in
      let separator = path.hasSuffix("/") ? "" : "/"
      return storage.file.map {
        Graph.SourceFile(path: "\(path)\(separator)\(location)", identity: $0)
      }
    }
  }

  private func map(_ location: String) throws -> Storage {
    let components = location.split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
    guard !location.utf8.contains(0), !components.contains(""), staysInside(components) else {
      throw GraftError.badData(
        "is not a path inside the model's folder",
        hint: "Only files in the model's own folder are read")
    }
    let root: OpenFolder
    do {
      root = try OpenFolder(path: path)
    } catch {
      throw error.at("the model's folder")
    }
    var walk = PathWalk(from: root)
    let (folder, name) = try walk.find(components)
    // Checked before opening, as opening a device may have effects.
    let blobs = blobsFolder()
    guard folder.lies(in: root) || blobs.map({ folder.isSame(as: $0) }) ?? false else {
      throw GraftError.badData(
        "leads outside the model's folder",
        hint: "Put the file itself into the model's folder; links may not leave it")
    }
    return try folder.mappedFile(name)
  }

  /// Whether a path without links never leaves its starting folder.
  private func staysInside(_ components: [String]) -> Bool {
    var depth = 0
    for component in components where component != "." {
      depth += component == ".." ? -1 : 1
      if depth < 0 { return false }
    }
    return depth > 0
  }

  /// The `blobs` folder of the enclosing Hugging Face cache; `nil` if there is none.
  private func blobsFolder() -> OpenFolder? {
    guard let resolved = FileSystem.realPath(path) else { return nil }
    let components = FilePath.components(of: resolved)
    guard let snapshots = components.lastIndex(of: "snapshots"), snapshots < components.count - 1
    else { return nil }
    let repository = components[..<snapshots].map { "/\($0)" }.joined()
    return try? OpenFolder(path: repository + "/").folder("blobs")
  }
}

/// `O_PATH`, which Swift does not import: the folder need not be readable, only traversable.
private let pathOnly: Int32 = 0o10000000

/// An open folder, so that no link can take its place.
private final class OpenFolder {
  private let descriptor: Int32
  private let device: UInt64
  private let inode: UInt64

  private init(descriptor: Int32) throws(GraftError) {
    guard descriptor >= 0 else { throw GraftError.system(.noInput, "cannot open") }
    self.descriptor = descriptor
    var status = stat()
    fstat(descriptor, &status)
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
  }

  deinit { close(descriptor) }

  /// Follows links, since the user chose the path.
  convenience init(path: String) throws(GraftError) {
    try self.init(descriptor: FileSystem.open(path, pathOnly | O_DIRECTORY | O_CLOEXEC))
  }

  /// A subfolder, or `..`.
  ///
  /// - Throws: `GraftError` if it does not exist or is a link
  func folder(_ name: String) throws(GraftError) -> OpenFolder {
    try OpenFolder(
      descriptor: openat(descriptor, name, pathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
  }

  /// The target of a link in the folder; `nil` if `name` is not a link.
  ///
  /// - Throws: `GraftError` if `name` does not exist
  func link(_ name: String) throws(GraftError) -> String? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw GraftError.system(.noInput, "cannot open")
    }
    guard status.st_mode & S_IFMT == S_IFLNK else { return nil }
    var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = target.withUnsafeMutableBytes {
      readlinkat(descriptor, name, $0.baseAddress!, $0.count)
    }
    guard count > 0, count < target.count,
      let text = String(validating: target[..<count], as: UTF8.self)
    else { throw GraftError.system(.noInput, "cannot read the link") }
    return text
  }

  /// Maps a regular file in the folder, without following links.
  func mappedFile(_ name: String) throws -> Storage {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      throw GraftError.system(.noInput, "cannot open")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw GraftError(.noInput, "is not a regular file")
    }
    // Without O_NONBLOCK, opening a pipe that replaced the file would wait for a writer.
    let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else { throw GraftError.system(.noInput, "cannot open") }
    defer { close(file) }
    return try Storage.mappedFile(descriptor: file, path: name)
  }

  func isSame(as other: OpenFolder) -> Bool { device == other.device && inode == other.inode }

  /// Whether this is `other` or inside it.
  func lies(in other: OpenFolder) -> Bool {
    var folder = self
    while !folder.isSame(as: other) {
      guard let parent = try? folder.folder(".."), !parent.isSame(as: folder) else { return false }
      folder = parent
    }
    return true
  }
}

/// A walk along a path, one open folder after the other, that resolves links itself.
private struct PathWalk {
  private var folder: OpenFolder
  private var linkCount = 0
  /// The limit of Linux.
  private static let linkLimit = 40

  init(from folder: OpenFolder) { self.folder = folder }

  /// The folder of the file at the end of a path, and the file's name in it, which is not a link.
  mutating func find(_ components: [String]) throws(GraftError) -> (OpenFolder, String) {
    var rest = Array(components.reversed())
    while let component = rest.popLast() {
      if component.isEmpty || component == "." { continue }
      if component != "..", let target = try folder.link(component) {
        linkCount += 1
        guard linkCount <= PathWalk.linkLimit else {
          throw GraftError.badData("follows more than \(PathWalk.linkLimit) links")
        }
        if target.hasPrefix("/") { folder = try OpenFolder(path: "/") }
        rest += target.split(separator: "/").reversed().map(String.init)
        continue
      }
      if rest.isEmpty, component != ".." { return (folder, component) }
      folder = try folder.folder(component)
    }
    throw GraftError(.noInput, "is not a regular file")
  }
}
