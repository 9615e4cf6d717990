import GraftTensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

extension PictureDataset {
  /// How a data set may lie on disk.
  package enum Format: String, CaseIterable, Sendable {
    /// CIFAR-10, binary or Python version.
    case cifar10
    /// CIFAR-100, binary or Python version.
    case cifar100
    /// IDX files, as those of MNIST.
    case idx
    /// NumPy arrays: an NPZ file, or a folder of NPY files.
    case arrays
    /// A table of paths and labels.
    case csv
    /// A folder for each class.
    case folders
    /// Names that tell the class: `cat.0.jpg`.
    case names
  }

  /// Opens a data set without decoding its pictures, and checks it.
  ///
  /// - Parameters:
  ///   - path: a folder; an archive of one (tar, compressed or not, or ZIP), which is unpacked into
  ///     memory; a CSV or an NPZ file
  ///   - format: how the data lie there; found out by default
  ///   - coarseLabels: whether to take the 20 coarse classes of CIFAR-100
  /// - Throws: `GraftError` if nothing there looks like a data set, if the data are damaged, or if
  ///   ``validate()`` finds something.
  package static func open(
    _ path: String, format: Format? = nil, coarseLabels: Bool = false
  ) throws -> PictureDataset {
    let dataset = try read(path, format: format, labels: coarseLabels ? .coarse : .fine)
    try dataset.validate()
    return dataset
  }

  private static func read(
    _ path: String, format: Format?, labels: CIFARFolder.Labels
  ) throws -> PictureDataset {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw GraftError(
        .noInput, "cannot be opened: \(String(cString: strerror(errno)))", places: [path])
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      return try read(DataFolder.onDisk(path), format: format, labels: labels, place: path)
    }
    let ending = path.split(separator: ".").last?.lowercased() ?? ""
    if format == .csv || ending == "csv" || ending == "tsv" {
      return try CSVPictures.read(path: path)
    }
    if ending == "npz" { return try NumPyPictures.readArchive(path: path) }
    let bytes = try FileBytes(mapping: path)
    guard ending == "tar" || ArchiveReader.recognizes(bytes) else {
      throw GraftError.badData(
        "is no data set",
        hint: "Give a folder, an archive (tar, tar.gz, ZIP), a CSV file or an NPZ file."
      ).at(path)
    }
    return try read(
      ArchiveReader.folder(bytes, place: path), format: format, labels: labels, place: path)
  }

  private static func read(
    _ root: DataFolder, format: Format?, labels: CIFARFolder.Labels, place: String
  ) throws -> PictureDataset {
    for folder in root.wrapped {
      if let cifar = CIFARFolder(folder), format == nil || format == cifar.format {
        return try cifar.read(labels, place: place)
      }
      if format == nil || format == .idx, let arrays = IDXPictures.arrays(folder, place: place) {
        return try arrays.dataset()
      }
      if format == nil || format == .arrays,
        let arrays = NumPyPictures.arrays(folder, place: place)
      {
        return try arrays.dataset()
      }
      if let form = PictureFolder.form(of: folder), format == nil || format == form.format {
        return try PictureFolder.read(folder, form: form, place: place)
      }
    }
    switch format {
    case .names: return try PictureFolder.read(root, form: .names, place: place)
    case .folders: return try PictureFolder.read(root, form: .folders, place: place)
    // Says what is wrong with it.
    case nil where root.hasPictures:
      return try PictureFolder.read(root, form: .folders, place: place)
    default:
      throw GraftError.badData(
        "has no data of \(format.map { "the form '\($0.rawValue)'" } ?? "a known form")",
        hint: """
          Data sets are read as a folder for each class, as pictures called cat.0.jpg, dog.0.jpg, \
          as a CSV file of paths and labels, as CIFAR's or MNIST's files, or as NumPy arrays.
          """
      ).at(place)
    }
  }
}

extension CIFARFolder {
  fileprivate var format: PictureDataset.Format { kind == .cifar10 ? .cifar10 : .cifar100 }
}

extension PictureFolder.Form {
  fileprivate var format: PictureDataset.Format { self == .folders ? .folders : .names }
}
