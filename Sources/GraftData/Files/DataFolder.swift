/// A folder and what lies in it, on disk or in an archive: names, in natural order; nothing of it is
/// opened. Hidden files, and what systems leave about, are only counted.
package struct DataFolder: Sendable {
  package let name: String
  /// What messages call it; the path of a folder on disk.
  package let place: String
  package var files: [DataFile] = []
  package var folders: [DataFolder] = []
  /// What lies in the folder itself and is not among `files` and `folders`.
  package var leftOut = LeftOutFiles()

  package init(name: String, place: String) {
    self.name = name
    self.place = place
  }

  /// The file of that name.
  package func file(_ name: String) -> DataFile? {
    files.first { $0.name.utf8.elementsEqual(name.utf8) }
  }

  /// The images in the folder itself.
  var images: [DataFile] { files.filter(\.isImage) }

  /// The images in the folder and in all folders within.
  package var allImages: [DataFile] { folders.reduce(images) { $0 + $1.allImages } }

  var hasImages: Bool {
    files.contains(where: \.isImage) || folders.contains(where: \.hasImages)
  }

  /// The folders within that have images, however deep these lie.
  var foldersWithImages: [DataFolder] { folders.filter(\.hasImages) }

  /// The folder, and the one within for as long as only one can be meant: archives often have all they
  /// hold in a folder.
  var wrapped: [DataFolder] {
    var levels = [self]
    while let last = levels.last {
      let candidates = last.folders.count == 1 ? last.folders : last.foldersWithImages
      guard candidates.count == 1 else { break }
      levels.append(candidates[0])
    }
    return levels
  }

  /// What is no image in the folder and in all folders within.
  package var allLeftOut: LeftOutFiles {
    var result = leftOut
    for file in files where !file.isImage { result.add(.otherKind(ending: file.ending)) }
    for folder in folders { result.add(folder.allLeftOut) }
    return result
  }

  /// Adds a folder within. That of a run is left out: its curves are no images of the data beside it.
  mutating func add(_ folder: DataFolder) {
    guard !folder.isOfRun else { return leftOut.add(.run) }
    folders.append(folder)
  }

  /// Whether training wrote the folder.
  private var isOfRun: Bool {
    DataFile.namesInRuns.allSatisfy { file($0) != nil }
  }

  mutating func sort() {
    files.sort { NaturalOrder.precedes($0.name, $1.name) }
    folders.sort { NaturalOrder.precedes($0.name, $1.name) }
  }
}
