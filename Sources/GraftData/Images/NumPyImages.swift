import GraftFiles
import GraftTensor

/// Reads NumPy arrays of images and labels from an NPZ file or a folder of NPY files: `x` and `y`,
/// or `x_train`, `y_train`, `x_test`, `y_test`, and other common names.
enum NumPyImages {
  /// The role of an array, by its name.
  private struct Role: Hashable {
    let part: DatasetPart
    let isLabels: Bool

    private static let imageNames: Set = ["x", "images", "pictures", "data"]
    private static let labelNames: Set = ["y", "labels", "targets"]

    init(part: DatasetPart, isLabels: Bool) {
      self.part = part
      self.isLabels = isLabels
    }

    /// `x_train`, `train_images`, `Y`, …; `nil` for other names.
    init?(_ name: String) {
      var words = name.lowercased().split { $0 == "_" || $0 == "-" }.map(String.init)
      let part = words.firstIndex { DatasetPart(name: $0) != nil }.flatMap {
        DatasetPart(name: words.remove(at: $0))
      }
      guard words.count == 1 else { return nil }
      let isLabels = Self.labelNames.contains(words[0])
      guard isLabels || Self.imageNames.contains(words[0]) else { return nil }
      self.init(part: part ?? .training, isLabels: isLabels)
    }
  }

  private static let hint = "Name them x and y, or x_train, y_train, x_test and y_test"

  static func readArchive(path: String) throws -> ImageDataset {
    var arrays: [Role: (place: String, read: () throws -> Tensor)] = [:]
    for name in try NPZFile.names(path: path) {
      guard let role = Role(name) else { continue }
      arrays[role] = ("\(path): \(name)", { try NPZFile.read(path: path, name: name) })
    }
    guard let images = self.images(arrays, place: path) else {
      throw GraftError.badData("has no arrays of images and labels", hint: hint).at(path)
    }
    return try images.dataset()
  }

  /// - Returns: `nil` if the folder has no such files
  static func arrays(_ folder: DataFolder, place: String) -> ArrayImages? {
    var arrays: [Role: (place: String, read: () throws -> Tensor)] = [:]
    for file in folder.files where file.name.hasSuffix(".npy") {
      guard let role = Role(String(file.name.dropLast(4))) else { continue }
      arrays[role] = (
        file.place,
        {
          try withPlace(file.place) {
            let bytes = try file.bytes()
            return try NPYFile.read(bytes.storage, bytes.range)
          }
        }
      )
    }
    return images(arrays, place: place)
  }

  private static func images(
    _ arrays: [Role: (place: String, read: () throws -> Tensor)], place: String
  ) -> ArrayImages? {
    func pair(_ part: DatasetPart) -> ArrayImages.Arrays? {
      guard let images = arrays[Role(part: part, isLabels: false)],
        let labels = arrays[Role(part: part, isLabels: true)]
      else { return nil }
      return ArrayImages.Arrays(
        images: images.read, place: images.place, labels: labels.read,
        labelsPlace: labels.place)
    }
    guard let training = pair(.training) else { return nil }
    return ArrayImages(
      place: place, training: training, validation: pair(.validation), test: pair(.test))
  }
}
