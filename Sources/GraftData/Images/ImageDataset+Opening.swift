import GraftFiles

extension ImageDataset {
  /// The forms of a dataset on disk.
  package enum Format: String, CaseIterable, Sendable {
    /// CIFAR-10, binary or Python version.
    case cifar10
    /// CIFAR-100, binary or Python version.
    case cifar100
    /// IDX files, like MNIST's.
    case idx
    /// NumPy arrays: an NPZ file, or a folder of NPY files.
    case arrays
    /// A table of paths and labels.
    case csv
    /// A folder for each class.
    case folders
    /// Names with the class: `cat.0.jpg`, `cat_0.jpg`.
    case names
  }

  /// Opens and checks a dataset without decoding its images.
  ///
  /// - Parameters:
  ///   - path: a folder, an archive of one (tar, compressed or not, or ZIP), which is unpacked into
  ///     memory, or a CSV or NPZ file
  ///   - format: the form of the data; detected by default
  ///   - coarseLabels: whether to use the 20 coarse classes of CIFAR-100
  ///   - purpose: the use of the images, which determines how many classes are required
  /// - Throws: `GraftError` if no dataset is recognized, if the data are damaged, or if
  ///   ``validate()`` fails
  package static func open(
    _ path: String, format: Format? = nil, coarseLabels: Bool = false,
    for purpose: Purpose = .training
  ) throws -> ImageDataset {
    var dataset = try read(path, format: format, labels: coarseLabels ? .coarse : .fine)
    dataset.purpose = purpose
    dataset.removeEmptyClasses()
    try dataset.validate()
    return dataset
  }

  private static func read(
    _ path: String, format: Format?, labels: CIFARFolder.Labels
  ) throws -> ImageDataset {
    guard FileSystem.exists(path) else { throw GraftError.opening(path) }
    if FileSystem.isFolder(path) {
      return try read(DataFolder.onDisk(path), format: format, labels: labels, place: path)
    }
    let ending = FilePath.ending(of: path)
    if format == .csv || ending == "csv" || ending == "tsv" {
      return try CSVImages.read(path: path)
    }
    if ending == "npz" { return try NumPyImages.readArchive(path: path) }
    let bytes = try FileBytes(mapping: path)
    guard ending == "tar" || ArchiveReader.recognizes(bytes) else {
      throw GraftError.badData(
        "is not a dataset",
        hint: "Use a folder, an archive (tar, tar.gz, ZIP), a CSV file or an NPZ file"
      ).at(path)
    }
    return try read(
      ArchiveReader.folder(bytes, place: path), format: format, labels: labels, place: path)
  }

  private static func read(
    _ root: DataFolder, format: Format?, labels: CIFARFolder.Labels, place: String
  ) throws -> ImageDataset {
    func images(_ folder: DataFolder, _ form: ImageFolder.Form) throws -> ImageDataset {
      var dataset = try ImageFolder.read(folder, form: form, place: place)
      dataset.leftOut.add(root.allLeftOut)
      dataset.leftOut.add(
        .outside,
        root.allImages.count - dataset.imageCount - dataset.leftOut.count(.unlabelled))
      return dataset
    }
    for folder in root.wrapped {
      if let cifar = CIFARFolder(folder), format == nil || format == cifar.format {
        return try cifar.read(labels, place: place)
      }
      if format == nil || format == .idx, let arrays = IDXImages.arrays(folder, place: place) {
        return try arrays.dataset()
      }
      if format == nil || format == .arrays,
        let arrays = NumPyImages.arrays(folder, place: place)
      {
        return try arrays.dataset()
      }
      if let form = ImageFolder.form(of: folder), format == nil || format == form.format {
        return try images(folder, form)
      }
    }
    switch format {
    case .names: return try images(root, .names)
    case .folders: return try images(root, .folders)
    case nil where !root.foldersWithImages.isEmpty:
      return try images(root, .folders)
    case nil where root.hasImages:
      let example = root.images[0].name
      throw GraftError.badData(
        "has images, but neither folders nor names like cat.0.jpg or cat_0.jpg show their "
          + "classes; one is called '\(example)'",
        hint: "Put each class in a folder, name images by class, or use a CSV file of "
          + "paths and labels"
      ).at(place)
    default:
      let leftOut = root.allLeftOut
      throw GraftError.badData(
        "has no data in \(format.map { "the form '\($0.rawValue)'" } ?? "a known form")"
          + (leftOut.total > 0 ? "; it has \(leftOut)" : ""),
        hint: """
          A dataset is a folder for each class, images named like cat.0.jpg or cat_0.jpg, \
          a CSV file of paths and labels, CIFAR's or MNIST's files, or NumPy arrays
          """
      ).at(place)
    }
  }
}

extension CIFARFolder {
  fileprivate var format: ImageDataset.Format { kind == .cifar10 ? .cifar10 : .cifar100 }
}

extension ImageFolder.Form {
  fileprivate var format: ImageDataset.Format { self == .folders ? .folders : .names }
}
