import GraftFiles
import GraftTensor

/// Files of the Python version: pickled dictionaries with an array `data` of uint8 `[N, 3072]` and
/// lists of labels.
enum CIFARPython {
  static func batch(
    _ file: DataFile, _ kind: CIFARFolder.Kind, _ labels: CIFARFolder.Labels
  ) throws -> CIFARFolder.Batch {
    try withPlace(file.place) {
      let batch = try PickleReader.read(file.bytes())
      guard let data = batch["data"]?.array, data.rank == 2,
        data.shape[1] == CIFARFolder.sampleCount
      else {
        throw GraftError.badData("has no array 'data' of shape [N, \(CIFARFolder.sampleCount)]")
      }
      let key =
        switch (kind, labels) {
        case (.cifar10, _): "labels"
        case (.cifar100, .fine): "fine_labels"
        case (.cifar100, .coarse): "coarse_labels"
        }
      guard let labels = batch[key]?.integers else {
        throw GraftError.badData("has no list of integers '\(key)'")
      }
      guard labels.count == data.shape[0] else {
        throw GraftError.badData("has \(data.shape[0]) images, but \(labels.count) labels")
      }
      let range = data.byteOffset..<data.byteOffset + data.byteCount
      return CIFARFolder.Batch(
        samples: try ImageSamples(
          FileBytes(data.storage, range), place: file.place, count: labels.count,
          size: CIFARFolder.size, channelCount: 3, layout: .planes),
        labels: labels)
    }
  }

  static func classNames(
    _ file: DataFile, _ kind: CIFARFolder.Kind, _ labels: CIFARFolder.Labels
  ) throws -> [String] {
    try withPlace(file.place) {
      let meta = try PickleReader.read(file.bytes())
      let key =
        switch (kind, labels) {
        case (.cifar10, _): "label_names"
        case (.cifar100, .fine): "fine_label_names"
        case (.cifar100, .coarse): "coarse_label_names"
        }
      guard let names = meta[key]?.strings else {
        throw GraftError.badData("has no list of strings '\(key)'")
      }
      return names
    }
  }
}
