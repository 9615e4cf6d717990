/// The names in a folder, on disk or in an archive, in natural order. Nothing is opened. Hidden and
/// system files are only counted.
package struct DataFolder: Sendable {
  package let name: String
  /// Its name in messages: the path of a folder on disk.
  package let place: String
  package var files: [DataFile] = []
  package var folders: [DataFolder] = []
  /// The files of the folder itself other than `files` and `folders`.
  package var leftOut = LeftOutFiles()

  package init(name: String, place: String) {
    self.name = name
    self.place = place
  }

  /// The file with that name.
  package func file(_ name: String) -> DataFile? {
    files.first { $0.name.utf8.elementsEqual(name.utf8) }
  }

  /// The images in the folder itself.
  var images: [DataFile] { files.filter(\.isImage) }

  /// The images in the folder and all its subfolders.
  package var allImages: [DataFile] { folders.reduce(images) { $0 + $1.allImages } }

  var hasImages: Bool {
    files.contains(where: \.isImage) || folders.contains(where: \.hasImages)
  }

  /// The subfolders with images at any depth.
  var foldersWithImages: [DataFolder] { folders.filter(\.hasImages) }

  /// The folder, and its only subfolder as long as there is just one: archives often wrap their
  /// contents in a folder.
  var wrapped: [DataFolder] {
    var levels = [self]
    while let last = levels.last {
      let candidates = last.folders.count == 1 ? last.folders : last.foldersWithImages
      guard candidates.count == 1 else { break }
      levels.append(candidates[0])
    }
    return levels
  }

  /// The files left out in the folder and all its subfolders.
  package var allLeftOut: LeftOutFiles {
    var result = leftOut
    for file in files where !file.isImage { result.add(.otherKind(ending: file.ending)) }
    for folder in folders { result.add(folder.allLeftOut) }
    return result
  }

  /// Adds a subfolder. The folder of a run is left out, since its charts are not images of the
  /// dataset.
  mutating func add(_ folder: DataFolder) {
    guard !folder.isOfRun else { return leftOut.add(.run) }
    folders.append(folder)
  }

  /// Whether training created the folder.
  private var isOfRun: Bool {
    DataFile.namesInRuns.allSatisfy { file($0) != nil }
  }

  mutating func sort() {
    files.sort { NaturalOrder.precedes($0.name, $1.name) }
    folders.sort { NaturalOrder.precedes($0.name, $1.name) }
  }
}
