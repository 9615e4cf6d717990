import GraftTensor
import GraftVision

extension PictureDataset {
  /// How a data set may lie on disk.
  package enum Format: String, CaseIterable, Sendable {
    /// A folder for each class.
    case folders
    /// Names that tell the class: `cat.0.jpg`.
    case names
  }

  /// Opens a data set without decoding its pictures, and checks it.
  ///
  /// - Parameters:
  ///   - path: a folder
  ///   - format: how the data lie there; found out by default
  /// - Throws: `GraftError` if nothing there looks like a data set, if the data are damaged, or if
  ///   ``validate()`` finds something.
  package static func open(_ path: String, format: Format? = nil) throws -> PictureDataset {
    let dataset = try read(DataFolder.onDisk(path), format: format, place: path)
    try dataset.validate()
    return dataset
  }

  private static func read(
    _ root: DataFolder, format: Format?, place: String
  ) throws -> PictureDataset {
    for folder in root.wrapped {
      guard let found = Self.format(of: folder), format == nil || format == found else { continue }
      return try read(folder, as: found, place: place)
    }
    // Says what is wrong with it.
    return try read(root, as: format ?? .folders, place: place)
  }

  private static func format(of folder: DataFolder) -> Format? {
    switch PictureFolder.form(of: folder) {
    case .folders: .folders
    case .names: .names
    case nil: nil
    }
  }

  private static func read(
    _ folder: DataFolder, as format: Format, place: String
  ) throws -> PictureDataset {
    switch format {
    case .folders: try PictureFolder.read(folder, form: .folders, place: place)
    case .names: try PictureFolder.read(folder, form: .names, place: place)
    }
  }
}
