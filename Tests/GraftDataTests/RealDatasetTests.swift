import Foundation
import GraftData
import GraftVision
import TestSupport
import Testing

private let testData = ProcessInfo.processInfo.environment["GRAFT_TEST_DATA"]

/// Data sets that others made.
@Suite(.enabled(if: testData != nil, "skipped: GRAFT_TEST_DATA is not set"))
struct RealDatasetTests {
  private let data = testData ?? ""

  private func run(_ command: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  @Test func catsAndDogs() throws {
    let archive = "\(data)/cats-dogs/cats-dogs.tar"
    let folder = try TemporaryFolder()
    try run(["tar", "-xf", archive, "-C", folder.path])
    let unpacked = try ImageDataset.open(folder.path)
    let inMemory = try ImageDataset.open(archive)
    for dataset in [unpacked, inMemory] {
      #expect(dataset.classNames == ["cat", "dog"])
      #expect(dataset.counts(of: dataset.items) == [1001, 1001])
    }
    #expect(unpacked.items[2].image.place == "\(folder.path)/train/cat.2.jpg")
    #expect(inMemory.items[2].image.place == "\(archive): train/cat.2.jpg")
    #expect(try unpacked.items[2].image().samples == inMemory.items[2].image().samples)
    #expect(try unpacked.checked(.headers, maximumBad: 0, threads: 2).bad.isEmpty)
    #expect(try inMemory.checked(.headers, maximumBad: 0, threads: 2).bad.isEmpty)

    // One that is not an image, one that is truncated.
    try folder.write("train/cat.5000.jpg", text: "<html>")
    let half = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/train/dog.3.jpg"))
    try folder.write("train/dog.3.jpg", Array(half.prefix(half.count / 2)))
    let (good, bad) = try ImageDataset.open(folder.path)
      .checked(.pixels, maximumBad: 2, threads: 2)
    #expect(bad.map(\.place) == ["cat.5000", "dog.3"].map { "\(folder.path)/train/\($0).jpg" })
    let split = try good.split(.standard, seed: 1)
    #expect(good.counts(of: split.training) == [701, 700])
  }

  @Test(arguments: ["mnist", "fashion-mnist"]) func mnist(name: String) throws {
    let dataset = try ImageDataset.open("\(data)/\(name)")
    #expect(dataset.classNames == (0..<10).map(String.init))
    #expect(dataset.items.count == 60_000 && dataset.testItems.count == 10_000)
    let image = try dataset.items[59_999].image()
    #expect(image.size.description == "28x28" && image.channelCount == 1)
    if name == "mnist" {
      #expect(dataset.items.prefix(10).map(\.label) == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4])
      #expect(
        dataset.counts(of: dataset.testItems) == [
          980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
        ])
    }
  }

  @Test func foldersInAnArchive() throws {
    let dataset = try ImageDataset.open("\(data)/cifar10/cifar10-jpeg.tar")
    #expect(dataset.classNames.count == 10 && dataset.classNames[1] == "automobile")
    #expect(dataset.counts(of: dataset.items) == [Int](repeating: 5000, count: 10))
    #expect(dataset.counts(of: dataset.testItems) == [Int](repeating: 1000, count: 10))
    #expect(try dataset.items[49_999].image().size.description == "32x32")
    for fold in try dataset.folds(count: 5, seed: 3) {
      #expect(dataset.counts(of: fold.test) == [Int](repeating: 1000, count: 10))
    }
  }

  @Test(.enabled(if: Python.isPresent, "\(Python.absence)"))
  func cifar() throws {
    let folder = try TemporaryFolder()
    let command = [Python.maker("make_cifar.py"), folder.path, "--source", "\(data)/cifar10"]
    for options in [[], ["--cifar100", "--per-batch", "100"]] {
      let made = try Python.run(command + options)
      try #require(made.status == 0, "\(made.output)")
    }

    let gz = try FileBytes(mapping: "\(data)/cifar10/lossless_train_first4000.bin.gz")
    let records = try ArchiveReader.unpacked(gz).withUnsafeBytes { Array($0) }
    let names = [
      "cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-binary.tar.gz",
      "cifar-10-python.tar.gz",
    ]
    for name in names {
      let dataset = try ImageDataset.open("\(folder.path)/\(name)")
      #expect(dataset.classNames[1] == "automobile")
      #expect(dataset.items.count == 4000 && dataset.testItems.count == 1000)
      for index in stride(from: 0, to: 4000, by: 7) {
        let record = records[index * 3073..<(index + 1) * 3073]
        #expect(dataset.items[index].label == Int(record[record.startIndex]))
        let planes = Array(record.dropFirst())
        let expected = (0..<3072).map { planes[$0 % 3 * 1024 + $0 / 3] }
        #expect(try dataset.items[index].image().samples == expected)
      }
    }
    for name in ["cifar-100-binary", "cifar-100-python.tar.gz"] {
      let fine = try ImageDataset.open("\(folder.path)/\(name)")
      #expect(fine.classNames.count == 100 && fine.items.count == 500)
      #expect(fine.items.map(\.label) == (0..<500).map { $0 % 100 })
      let coarse = try ImageDataset.open("\(folder.path)/\(name)", coarseLabels: true)
      #expect(coarse.classNames.count == 20)
      #expect(coarse.items.map(\.label) == (0..<500).map { $0 % 100 / 5 })
    }
  }
}
