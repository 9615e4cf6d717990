import GraftTensor

/// Reads folders of picture files: a folder for each class, or names that tell the class
/// (`cat.0.jpg`). Folders `train`, `validation` and `test` may divide either.
enum PictureFolder {
  /// How the pictures of a folder tell their classes.
  enum Form {
    case folders
    case names
  }

  private static let trainingNames: Set = ["train", "training"]
  private static let validationNames: Set = ["val", "valid", "validation"]
  private static let testNames: Set = ["test", "testing"]

  /// How a folder's pictures tell their classes; `nil` if it does not look like a data set.
  static func form(of folder: DataFolder) -> Form? {
    if let training = trainingPart(of: folder) {
      return training.folders.contains(where: \.hasPictures) ? .folders : .names
    }
    if folder.folders.contains(where: \.hasPictures) {
      return folder.folders.count > 1 ? .folders : nil
    }
    return Set(folder.pictures.map { ClassifiedFiles.className(of: $0.name) }).count > 1
      ? .names : nil
  }

  static func read(_ folder: DataFolder, form: Form, place: String) throws -> PictureDataset {
    guard let training = trainingPart(of: folder) else {
      return try dataset(folder, nil, nil, form, place)
    }
    return try dataset(
      training, part(validationNames, of: folder), part(testNames, of: folder), form, place)
  }

  /// The folder for training, unless it is a class that happens to be called so.
  private static func trainingPart(of folder: DataFolder) -> DataFolder? {
    guard let training = part(trainingNames, of: folder) else { return nil }
    let tellsClasses =
      training.folders.contains(where: \.hasPictures)
      || training.pictures.contains { ClassifiedFiles.className(of: $0.name) != nil }
    return tellsClasses ? training : nil
  }

  private static func part(_ names: Set<String>, of folder: DataFolder) -> DataFolder? {
    folder.folders.first { names.contains($0.name.lowercased()) }
  }

  private static func dataset(
    _ training: DataFolder, _ validation: DataFolder?, _ test: DataFolder?, _ form: Form,
    _ place: String
  ) throws -> PictureDataset {
    let classified = try classes(training, form)
    var result = PictureDataset(
      place: place, classNames: classified.names,
      items: try classified.items(classNames: classified.names, place: training.place))
    result.validationItems = try setApart(validation, form, &result)
    result.testItems = try setApart(test, form, &result)
    return result
  }

  private static func classes(_ folder: DataFolder, _ form: Form) throws -> ClassifiedFiles {
    switch form {
    case .folders: ClassifiedFiles.byFolder(folder)
    case .names: try ClassifiedFiles.byName(folder)
    }
  }

  /// The pictures of a part besides the one for training. Such a part may have pictures whose
  /// classes are not told, as competitions have it; those are left out.
  private static func setApart(
    _ folder: DataFolder?, _ form: Form, _ dataset: inout PictureDataset
  ) throws -> [PictureDataset.Item] {
    guard let folder else { return [] }
    let isTold =
      switch form {
      case .folders: folder.folders.contains(where: \.hasPictures)
      case .names:
        folder.pictures.contains { ClassifiedFiles.className(of: $0.name) != nil }
      }
    guard isTold else {
      let count = folder.allPictures.count
      if count > 0 {
        dataset.remarks.append(
          "\(folder.place): \(count) pictures are left out, as nothing tells their classes.")
      }
      return []
    }
    return try classes(folder, form).items(classNames: dataset.classNames, place: folder.place)
  }
}
