import GraftFiles
import GraftVision

/// Reads CIFAR-10 and CIFAR-100 in their binary and Python versions: 32x32 pixels in planes of red,
/// green and blue.
///
/// Source: <https://www.cs.toronto.edu/~kriz/cifar.html>
struct CIFARFolder {
  enum Kind {
    case cifar10
    case cifar100
  }

  /// Which labels of CIFAR-100 to use: 100 fine or 20 coarse ones.
  enum Labels {
    case fine
    case coarse
  }

  static let size = ImageSize(width: 32, height: 32)
  static let sampleCount = 3 * 32 * 32

  /// The images of one file.
  struct Batch {
    let samples: ImageSamples
    let labels: [Int]

    var items: [ImageDataset.Item] { get throws { try samples.items(labels: labels) } }
  }

  let folder: DataFolder
  let kind: Kind
  private let isBinary: Bool
  private let trainingFiles: [DataFile]
  private let testFile: DataFile?

  /// - Returns: `nil` if the folder has no such files
  init?(_ folder: DataFolder) {
    self.folder = folder
    let batches = (binary: Self.batches(folder, ".bin"), python: Self.batches(folder, ""))
    if !batches.binary.isEmpty {
      (kind, isBinary, trainingFiles) = (.cifar10, true, batches.binary)
      testFile = folder.file("test_batch.bin")
    } else if !batches.python.isEmpty {
      (kind, isBinary, trainingFiles) = (.cifar10, false, batches.python)
      testFile = folder.file("test_batch")
    } else if let training = folder.file("train.bin"),
      folder.file("fine_label_names.txt") != nil || folder.file("test.bin") != nil
    {
      (kind, isBinary, trainingFiles) = (.cifar100, true, [training])
      testFile = folder.file("test.bin")
    } else if let training = folder.file("train"), folder.file("meta") != nil {
      (kind, isBinary, trainingFiles) = (.cifar100, false, [training])
      testFile = folder.file("test")
    } else {
      return nil
    }
  }

  private static func batches(_ folder: DataFolder, _ ending: String) -> [DataFile] {
    (1...5).compactMap { folder.file("data_batch_\($0)\(ending)") }
  }

  func read(_ labels: Labels, place: String) throws -> ImageDataset {
    guard kind == .cifar100 || labels == .fine else {
      throw GraftError.usage("CIFAR-10 has no coarse labels").at(place)
    }
    var dataset = ImageDataset(
      place: place, classNames: try classNames(labels),
      items: try trainingFiles.flatMap { try batch($0, labels).items })
    if let testFile { dataset.testItems = try batch(testFile, labels).items }
    if kind == .cifar10, trainingFiles.count < 5 {
      dataset.remarks.append("\(place): found only \(trainingFiles.count) of 5 batches.")
    }
    return dataset
  }

  private func batch(_ file: DataFile, _ labels: Labels) throws -> Batch {
    try isBinary
      ? CIFARBinary.batch(file, kind, labels) : CIFARPython.batch(file, kind, labels)
  }

  private func classNames(_ labels: Labels) throws -> [String] {
    let name =
      switch (kind, labels) {
      case (.cifar10, _): isBinary ? "batches.meta.txt" : "batches.meta"
      case (.cifar100, .fine): isBinary ? "fine_label_names.txt" : "meta"
      case (.cifar100, .coarse): isBinary ? "coarse_label_names.txt" : "meta"
      }
    guard let file = folder.file(name) else {
      if kind == .cifar10 { return Self.cifar10Names }
      throw GraftError(
        .noInput, "the file '\(name)' is missing", places: [folder.place],
        hint: "It has the names of the classes; copy it from the official archive")
    }
    return try isBinary
      ? CIFARBinary.classNames(file) : CIFARPython.classNames(file, kind, labels)
  }

  private static let cifar10Names = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]
}
