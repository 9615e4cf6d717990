import GraftGraph

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The folder of a model, for the files that its tensors name.
///
/// Files outside of the folder and files behind links are refused: a model must not make its reader
/// open whatever it likes.
final class ExternalDataFolder {
  private let path: String
  private var files: [String: Storage] = [:]

  init(path: String) { self.path = path }

  /// A file in the folder, mapped.
  ///
  /// - Parameter location: a path relative to the folder
  func file(_ location: String) throws -> Storage {
    if let file = files[location] { return file }
    let file = try withPlace("external data '\(location)'") { try map(location) }
    files[location] = file
    return file
  }

  /// The files that were read, by name.
  var sourceFiles: [Graph.SourceFile] {
    files.sorted { $0.key < $1.key }.compactMap { location, storage in
      let separator = path.isEmpty || path.hasSuffix("/") ? "" : "/"
      return storage.file.map {
        Graph.SourceFile(path: "\(path)\(separator)\(location)", identity: $0)
      }
    }
  }

  private func map(_ location: String) throws -> Storage {
    let components = location.split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
      .filter { $0 != "." }
    guard !location.isEmpty, !location.utf8.contains(0), !components.contains(""),
      !components.contains(".."), let name = components.last
    else {
      throw GraftError.badData(
        "is no path inside of the model's folder",
        hint: "Only files in the model's own folder are read")
    }
    // One component after the other, so that no link is followed anywhere on the way.
    var folder = FileSystem.open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw systemError("cannot open the model's folder") }
    defer { close(folder) }
    for component in components.dropLast() {
      let next = FileSystem.open(
        component, in: folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      guard next >= 0 else { throw systemError("cannot open the folder '\(component)'") }
      close(folder)
      folder = next
    }
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    let descriptor = FileSystem.open(
      name, in: folder, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw systemError("cannot open") }
    defer { close(descriptor) }
    return try Storage.mappedFile(descriptor: descriptor, path: name)
  }

  private func systemError(_ what: String) -> GraftError {
    let isLink = errno == ELOOP || errno == ENOTDIR
    return GraftError(
      isLink ? .badData : .noInput,
      isLink
        ? "\(what): it is a link or no folder" : "\(what): \(String(cString: strerror(errno)))",
      hint: isLink ? "Links are not followed; put the file itself into the model's folder" : nil)
  }
}
