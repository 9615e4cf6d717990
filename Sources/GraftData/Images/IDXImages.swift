import GraftFiles

/// Reads folders like MNIST's: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same
/// with `t10k` for testing, optionally compressed by gzip.
///
/// Source: <https://yann.lecun.com/exdb/mnist/>
enum IDXImages {
  /// - Returns: `nil` if the folder has no such files
  static func arrays(_ folder: DataFolder, place: String) -> ArrayImages? {
    guard let training = pair("train", folder) else { return nil }
    return ArrayImages(
      place: place, training: training, validation: nil,
      test: pair("t10k", folder) ?? pair("test", folder))
  }

  private static func pair(_ part: String, _ folder: DataFolder) -> ArrayImages.Arrays? {
    guard let images = file("\(part)-images", folder), let labels = file("\(part)-labels", folder)
    else { return nil }
    return ArrayImages.Arrays(
      images: { try withPlace(images.place) { try IDXFile.read(images.bytes()) } },
      place: images.place,
      labels: { try withPlace(labels.place) { try IDXFile.read(labels.bytes()) } },
      labelsPlace: labels.place)
  }

  /// The file with that text in its name, preferably uncompressed.
  private static func file(_ name: String, _ folder: DataFolder) -> DataFile? {
    folder.files.filter { $0.name.contains("\(name)-idx") || $0.name.contains("\(name).idx") }
      .min { $0.name.utf8.count < $1.name.utf8.count }
  }
}
