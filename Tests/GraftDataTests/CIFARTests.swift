import GraftData
import GraftFiles
import GraftVision
import TestSupport
import Testing

@Suite struct CIFARTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private let names = [
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
  ]

  private func message() -> String {
    do {
      _ = try ImageDataset.open(folder.path)
      return "no error"
    } catch { return "\(error)" }
  }

  private func expectCIFAR10(_ dataset: ImageDataset) throws {
    #expect(dataset.classNames == names)
    #expect(dataset.items.map(\.label) == (0..<5).flatMap { [2 * $0, 2 * $0 + 1] })
    #expect(dataset.testItems.map(\.label) == [3])
    let image = try dataset.items[1].image()
    #expect(image.size.description == "32x32" && image.channelCount == 3)
    #expect(image.samples.prefix(6) == [7, 8, 9, 1, 51, 101])
    #expect(image.samples.suffix(3) == [1, 51, 101])
  }

  /// The files of CIFAR-10, each with two images.
  private func files(isBinary: Bool) -> [(name: String, bytes: [UInt8])] {
    let ending = isBinary ? ".bin" : ""
    func batch(_ labels: [UInt8]) -> [UInt8] {
      isBinary
        ? CIFARFixture.binary(labels: labels.map { [$0] })
        : CIFARFixture.pickle(labels: [("labels", labels)])
    }
    var files = (0..<5).map { ("data_batch_\($0 + 1)\(ending)", batch([2 * $0, 2 * $0 + 1])) }
    files.append(("test_batch\(ending)", batch([3])))
    files.append(
      isBinary
        ? ("batches.meta.txt", Array((names.joined(separator: "\n") + "\n\n").utf8))
        : ("batches.meta", CIFARFixture.meta([("label_names", names)])))
    files.append(("readme.html", Array("<html>".utf8)))
    return files
  }

  @Test(arguments: [true, false]) func readsCIFAR10(isBinary: Bool) throws {
    for file in files(isBinary: isBinary) { try folder.write(file.name, file.bytes) }
    try expectCIFAR10(ImageDataset.open(folder.path))
    expectError(.usage, folder.path, "coarse") {
      try ImageDataset.open(folder.path, coarseLabels: true)
    }
    expectError(.badData, or: .usage, folder.path) {
      try ImageDataset.open(folder.path, format: .cifar100)
    }
  }

  @Test(arguments: [true, false]) func readsCIFAR10FromItsArchive(isBinary: Bool) throws {
    let tar = TarFixture.archive(
      [TarFixture.Member("cifar-10-batches/", type: "5")]
        + files(isBinary: isBinary).map { .init("cifar-10-batches/\($0.name)", $0.bytes) })
    let path = try folder.write("cifar-10.tar.gz", TarFixture.gzipped(tar))
    let dataset = try ImageDataset.open(path)
    try expectCIFAR10(dataset)
    #expect(
      dataset.items[3].image.place == "\(path): cifar-10-batches/data_batch_2"
        + "\(isBinary ? ".bin" : ""): image 1")
  }

  @Test(arguments: [true, false]) func readsCIFAR100(isBinary: Bool) throws {
    let (fine, coarse) = (["apple", "bowl", "chair"], ["food", "household"])
    if isBinary {
      try folder.write("train.bin", CIFARFixture.binary(labels: [[0, 0], [1, 2], [1, 1]]))
      try folder.write("test.bin", CIFARFixture.binary(labels: [[1, 2]]))
      try folder.write("fine_label_names.txt", text: fine.joined(separator: "\r\n"))
      try folder.write("coarse_label_names.txt", text: coarse.joined(separator: "\n"))
    } else {
      try folder.write(
        "train",
        CIFARFixture.pickle(labels: [("fine_labels", [0, 2, 1]), ("coarse_labels", [0, 1, 1])]))
      try folder.write(
        "test", CIFARFixture.pickle(labels: [("fine_labels", [2]), ("coarse_labels", [1])]))
      try folder.write(
        "meta",
        CIFARFixture.meta([("fine_label_names", fine), ("coarse_label_names", coarse)]))
    }
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.classNames == fine)
    #expect(dataset.items.map(\.label) == [0, 2, 1])
    #expect(dataset.testItems.map(\.label) == [2])
    #expect(try dataset.items[2].image().samples.prefix(6) == [7, 8, 9, 2, 52, 102])
    let byKind = try ImageDataset.open(folder.path, coarseLabels: true)
    #expect(byKind.classNames == coarse)
    #expect(byKind.items.map(\.label) == [0, 1, 1])
  }

  @Test func namesAreKnownWithoutTheirFile() throws {
    for file in files(isBinary: true) where !file.name.hasPrefix("batches") {
      try folder.write(file.name, file.bytes)
    }
    try expectCIFAR10(ImageDataset.open(folder.path))
  }

  @Test func missingBatchIsRemarked() throws {
    try folder.write("data_batch_1.bin", CIFARFixture.binary(labels: (0..<10).map { [$0] }))
    let dataset = try ImageDataset.open(folder.path)
    #expect(dataset.remarks.count == 1 && dataset.testItems.isEmpty)
  }

  @Test func cutOffBatchIsAnError() throws {
    for file in files(isBinary: true) { try folder.write(file.name, file.bytes) }
    try folder.write("data_batch_3.bin", [UInt8](repeating: 0, count: 5000))
    #expect(message().contains("data_batch_3.bin: has 5000 bytes"))
    try folder.write("data_batch_3.bin", [])
    #expect(message().contains("data_batch_3.bin: has 0 bytes"))
  }

  @Test func wrongLabelIsAnError() throws {
    for file in files(isBinary: true) { try folder.write(file.name, file.bytes) }
    try folder.write("data_batch_3.bin", CIFARFixture.binary(labels: [[4], [10]]))
    #expect(message().contains("data_batch_3.bin: image 1: has the label 10"))
  }

  @Test func wrongPickleIsAnError() throws {
    for file in files(isBinary: false) { try folder.write(file.name, file.bytes) }
    try folder.write("data_batch_2", CIFARFixture.meta([("labels", ["x"])]))
    #expect(message().contains("data_batch_2: has no array 'data'"))
    try folder.write("data_batch_2", CIFARFixture.pickle(labels: [("other", [1])]))
    #expect(message().contains("data_batch_2: has no list of integers 'labels'"))
    try folder.write(
      "data_batch_2", CIFARFixture.pickle(labels: [("x", [1, 2]), ("labels", [1])]))
    #expect(message().contains("data_batch_2: has 2 images, but 1 labels"))
  }
}
