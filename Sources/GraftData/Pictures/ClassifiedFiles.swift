import GraftTensor

/// Picture files by the names of their classes.
struct ClassifiedFiles {
  /// The pictures of each class; none for a class that is empty.
  var classes: [String: [DataFile]] = [:]

  /// A class for each folder within: all pictures in it, however deep they lie.
  static func byFolder(_ folder: DataFolder) -> ClassifiedFiles {
    var result = ClassifiedFiles()
    for child in folder.folders { result.classes[child.name] = child.allPictures }
    return result
  }

  /// A class for each beginning of a name, up to the first dot: `cat.0.jpg`.
  ///
  /// - Throws: `GraftError` if a picture's name has no such beginning.
  static func byName(_ folder: DataFolder) throws -> ClassifiedFiles {
    var result = ClassifiedFiles()
    for picture in folder.pictures {
      guard let name = className(of: picture.name) else {
        throw GraftError.badData(
          "tells no class", hint: "Name pictures as cat.0.jpg, or put each class in a folder."
        ).at(picture.place)
      }
      result.classes[name, default: []].append(picture)
    }
    return result
  }

  /// The beginning of a name like `cat.0.jpg`; `nil` for `0.jpg`.
  static func className(of fileName: String) -> String? {
    let parts = fileName.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count > 2 && !parts[0].isEmpty ? String(parts[0]) : nil
  }

  /// Names of the classes in natural order.
  var names: [String] { classes.keys.sorted(by: NaturalOrder.precedes) }

  /// The pictures, class by class, with their classes' indices in `names`.
  ///
  /// - Throws: `GraftError` if a class with pictures is not among `names`.
  func items(classNames: [String], place: String) throws -> [PictureDataset.Item] {
    let labels = Dictionary(uniqueKeysWithValues: zip(classNames, classNames.indices))
    return try names.flatMap { name -> [PictureDataset.Item] in
      let files = classes[name] ?? []
      guard let label = labels[name] else {
        if files.isEmpty { return [] }
        throw GraftError.badData(
          "has the class '\(name)', which the training pictures do not have",
          hint: "Those are \(PictureDataset.enumeration(classNames.map { "'\($0)'" }))."
        )
        .at(place)
      }
      return files.map { PictureDataset.Item(picture: $0.pictureSource, label: label) }
    }
  }
}
