import GraftFiles
import GraftVision

/// A file of a dataset: on disk, or unpacked from an archive.
package struct DataFile: Sendable {
  /// Its name in its folder.
  package let name: String
  /// Its name in messages: the path of a file on disk.
  package let place: String
  /// The unpacked content; `nil` for a file on disk.
  private let unpacked: FileBytes?

  package init(name: String, path: String) {
    self.name = name
    place = path
    unpacked = nil
  }

  package init(name: String, place: String, unpacked: FileBytes) {
    self.name = name
    self.place = place
    self.unpacked = unpacked
  }

  /// The content; a file on disk is mapped.
  package func bytes() throws -> FileBytes {
    if let unpacked { return unpacked }
    return try FileBytes(mapping: place)
  }

  /// The file as an image, not yet opened.
  var imageSource: ImageDataset.ImageSource {
    if let unpacked { return .encoded(unpacked, place: place) }
    return .file(place)
  }

  /// Files that mark the folder of a run.
  static let namesInRuns = ["recipe.yaml", "split.csv"]

  /// Whether the name is that of an image, even of an unsupported format, so that a check can list
  /// it.
  var isImage: Bool { ImageFileKind(fileName: name) != nil }

  /// The extension, in lower case.
  var ending: String { FilePath.ending(of: name) }

  /// Whether a file with that name can be part of a dataset (an image, an array, or a part of CIFAR
  /// or MNIST), or marks the folder of a run.
  static func isNeeded(_ name: String) -> Bool {
    let file = DataFile(name: name, path: "")
    return file.isImage || ["", "bin", "npy", "gz", "txt", "meta"].contains(file.ending)
      || file.ending.hasSuffix("-ubyte") || name.hasPrefix("data_batch")
      || namesInRuns.contains(name)
  }

  /// Whether the name is hidden, or that of a file or folder that systems create.
  static func isHidden(_ name: String) -> Bool {
    name.utf8.first == UInt8(ascii: ".") || systemNames.contains(name.lowercased())
  }

  private static let systemNames: Set<String> = [
    // macOS
    "__macosx", "icon\r", "network trash folder", "temporary items",
    // Windows
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "recycler",
    "system volume information",
    // Network storage
    "@eadir", "#recycle", "@recycle", "#snapshot", "@tmp",
    // Linux, Python
    "lost+found", "__pycache__",
  ]
}
