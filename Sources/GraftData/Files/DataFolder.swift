import GraftTensor

/// A folder and what lies in it, on disk or in an archive: names, in natural order; nothing of it is
/// opened. Hidden files are left out.
package struct DataFolder: Sendable {
  package let name: String
  /// What messages call it; the path of a folder on disk.
  package let place: String
  package var files: [DataFile] = []
  package var folders: [DataFolder] = []

  package init(name: String, place: String) {
    self.name = name
    self.place = place
  }

  /// The file of that name.
  package func file(_ name: String) -> DataFile? { files.first { $0.name == name } }

  /// The pictures in the folder itself.
  var pictures: [DataFile] { files.filter(\.isPicture) }

  /// The pictures in the folder and in all folders within.
  var allPictures: [DataFile] { folders.reduce(pictures) { $0 + $1.allPictures } }

  var hasPictures: Bool {
    files.contains(where: \.isPicture) || folders.contains(where: \.hasPictures)
  }

  /// The folder, and the one within for as long as there is only one: archives often have all they
  /// hold in a folder.
  var wrapped: [DataFolder] {
    var levels = [self]
    while let last = levels.last, last.folders.count == 1 { levels.append(last.folders[0]) }
    return levels
  }

  mutating func sort() {
    files.sort { NaturalOrder.precedes($0.name, $1.name) }
    folders.sort { NaturalOrder.precedes($0.name, $1.name) }
  }
}
