import GraftFiles

/// Reads folders of image files, with a folder for each class or with class names in file names
/// (`cat.0.jpg`). Either form, or each class, may be divided into training, validation and test
/// folders.
enum ImageFolder {
  /// How a folder shows the classes of its images.
  enum Form {
    case folders
    case names
  }

  /// The form of a folder's images; `nil` if it does not look like a dataset.
  static func form(of folder: DataFolder) -> Form? {
    let children = folder.foldersWithImages
    let parts = children.filter { DatasetPart(name: $0.name) != nil }
    if parts.contains(where: { !$0.foldersWithImages.isEmpty }), isDivided(folder) {
      return .folders
    }
    if isDivided(folder) { return .names }
    if !children.isEmpty { return children.count > 1 ? .folders : nil }
    return Set(folder.images.map { ClassifiedFiles.className(of: $0.name) }).count > 1
      ? .names : nil
  }

  /// Whether the folder has a training part (not a class with that name), or only parts.
  private static func isDivided(_ folder: DataFolder) -> Bool {
    let children = folder.foldersWithImages
    let parts = children.map { DatasetPart(name: $0.name) }
    let training = zip(children, parts).filter { $1 == .training }.map(\.0)
    if training.contains(where: { !$0.foldersWithImages.isEmpty }) { return true }
    guard !parts.contains(nil) else { return false }
    if children.count > 1 {
      return !training.isEmpty || children.allSatisfy { !$0.foldersWithImages.isEmpty }
    }
    return training.contains {
      $0.images.contains { ClassifiedFiles.className(of: $0.name) != nil }
    }
  }

  static func read(_ folder: DataFolder, form: Form, place: String) throws -> ImageDataset {
    if isDivided(folder) { return try dataset(Parts(of: folder), form, place) }
    if form == .folders, let parts = Parts(ofClassesIn: folder) {
      return try dataset(parts, form, place)
    }
    return try dataset(Parts(training: folder), form, place)
  }

  /// The folders of the parts.
  private struct Parts {
    let training: DataFolder
    var validation: DataFolder?
    var test: DataFolder?
    var remarks: [String] = []

    init(training: DataFolder) { self.training = training }

    /// - Throws: `GraftError` if two folders are the same part, none is for training, or one is
    ///   neither a part nor a class
    init(of folder: DataFolder) throws {
      var folders: [DatasetPart: DataFolder] = [:]
      for child in folder.foldersWithImages {
        guard let part = DatasetPart(name: child.name) else {
          throw GraftError.badData(
            "'\(child.name)' holds images, but is neither a part nor a class: it is next to "
              + "the training folder",
            hint: "Rename it to val or test, move it into the training folder as a class, or "
              + "move it elsewhere"
          ).at(folder.place)
        }
        if let other = folders.updateValue(child, forKey: part) {
          throw GraftError.badData(
            "'\(other.name)' and '\(child.name)' are both for \(part.rawValue)",
            hint: "Rename one, or move it elsewhere"
          ).at(folder.place)
        }
        if !DatasetPart.isPlain(child.name) {
          remarks.append("the folder '\(child.name)' is used for \(part.rawValue)")
        }
      }
      guard let training = folders[.training] else {
        throw GraftError.badData(
          "has folders for \(folders.keys.map(\.rawValue).sorted().joined(separator: " and ")), "
            + "but none for training",
          hint: "Name one train, or use the path of a single part"
        ).at(folder.place)
      }
      self.training = training
      validation = folders[.validation]
      test = folders[.test]
    }

    /// Parts within each class: `cat/train`, `cat/test`, `dog/train`, …; `nil` if there are none.
    init?(ofClassesIn folder: DataFolder) {
      let classes = folder.foldersWithImages
      guard
        classes.allSatisfy({ folder in
          let parts = folder.foldersWithImages.map { DatasetPart(name: $0.name) }
          return folder.images.isEmpty && parts.contains(.training) && !parts.contains(nil)
            && Set(parts).count == parts.count
        })
      else { return nil }
      func part(_ part: DatasetPart) -> DataFolder? {
        var result = DataFolder(name: part.rawValue, place: folder.place)
        for child in classes {
          for inner in child.foldersWithImages where DatasetPart(name: inner.name) == part {
            var files = DataFolder(name: child.name, place: inner.place)
            (files.files, files.folders) = (inner.files, inner.folders)
            result.folders.append(files)
          }
        }
        return result.folders.isEmpty ? nil : result
      }
      guard let training = part(.training) else { return nil }
      self.training = training
      validation = part(.validation)
      test = part(.test)
      remarks = ["the folders within each class divide it into parts"]
    }
  }

  private static func dataset(
    _ parts: Parts, _ form: Form, _ place: String
  ) throws -> ImageDataset {
    let classified = try classes(parts.training, form)
    var result = ImageDataset(
      place: place, classNames: classified.names,
      items: try classified.items(classNames: classified.names, place: parts.training.place),
      remarks: parts.remarks)
    if form == .folders {
      let empty = parts.training.folders.filter { !$0.hasImages }.map { "'\($0.name)'" }
      if !empty.isEmpty {
        result.remarks.append(
          (empty.count == 1 ? "the folder \(empty[0]) has" : "\(empty.count) folders have")
            + " no images and \(empty.count == 1 ? "is not a class" : "are not classes")"
            + (empty.count == 1 ? "" : ": \(ImageDataset.enumeration(empty))"))
      }
    }
    result.validationItems = try setApart(parts.validation, form, &result)
    result.testItems = try setApart(parts.test, form, &result)
    return result
  }

  private static func classes(_ folder: DataFolder, _ form: Form) throws -> ClassifiedFiles {
    switch form {
    case .folders: ClassifiedFiles.byFolder(folder)
    case .names: try ClassifiedFiles.byName(folder)
    }
  }

  /// The images of a part other than training. Unlabelled images of such a part, common in
  /// competitions, are left out.
  private static func setApart(
    _ folder: DataFolder?, _ form: Form, _ dataset: inout ImageDataset
  ) throws -> [ImageDataset.Item] {
    guard let folder else { return [] }
    let hasClasses =
      switch form {
      case .folders: !folder.foldersWithImages.isEmpty
      case .names:
        folder.images.contains { ClassifiedFiles.className(of: $0.name) != nil }
      }
    guard hasClasses else {
      let count = folder.allImages.count
      if count > 0 {
        dataset.leftOut.add(.unlabelled, count)
        dataset.remarks.append(
          "\(folder.place): \(count) images are left out, as they have no classes.")
      }
      return []
    }
    return try classes(folder, form).items(classNames: dataset.classNames, place: folder.place)
  }
}
