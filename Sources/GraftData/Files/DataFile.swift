import GraftFiles
import GraftVision

/// A file of a data set: on disk, or unpacked from an archive.
package struct DataFile: Sendable {
  /// Its name within its folder.
  package let name: String
  /// What messages call it; the path of a file on disk.
  package let place: String
  /// What was unpacked; `nil` for a file on disk.
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

  /// The file as an image, which is not opened yet.
  var imageSource: ImageDataset.ImageSource {
    if let unpacked { return .encoded(unpacked, place: place) }
    return .file(place)
  }

  /// The files by which the folder of a run is known.
  static let namesInRuns = ["recipe.yaml", "split.csv"]

  /// Whether the name is that of an image. Some cannot be read; they are named so that a check can list them.
  var isImage: Bool { ImageFileKind(fileName: name) != nil }

  /// What stands behind the last dot, in lower case.
  var ending: String { FilePath.ending(of: name) }

  /// Whether a file of that name may be of use to any reader: an image, an array, or a part of CIFAR's
  /// or MNIST's data; or says that the folder is that of a run.
  static func isOfUse(_ name: String) -> Bool {
    let file = DataFile(name: name, path: "")
    return file.isImage || ["", "bin", "npy", "gz", "txt", "meta"].contains(file.ending)
      || file.ending.hasSuffix("-ubyte") || name.hasPrefix("data_batch")
      || namesInRuns.contains(name)
  }

  /// Whether systems and programs leave such files and folders about, which are no data.
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
