import Foundation
import GraftData
import GraftFiles
import TestSupport
import Testing

@Suite struct CheckingTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// 40 good images and four bad ones, one of which only decoding finds.
  private func dataset() throws -> ImageDataset {
    for index in 0..<20 {
      for name in ["cat", "dog"] {
        try folder.write("train/\(name)/\(index).bmp", TestImage.bmp())
      }
    }
    try folder.write("train/cat/4a.bmp", [])
    try folder.write("train/dog/7a.jpg", text: "<html>not found</html>")
    try folder.write("train/dog/8a.bmp", TestImage.bmp().dropLast(4))
    try folder.write("test/dog/x.gif", text: "GIF89a")
    return try ImageDataset.open(folder.path)
  }

  @Test(arguments: [1, 2, 7]) func leavesBadImagesOut(threads: Int) throws {
    let (good, bad) = try dataset().checked(.pixels, maximumBad: 4, threads: threads)
    #expect(good.items.count == 40 && good.testItems.isEmpty)
    #expect(
      bad.map { $0.place.replacingOccurrences(of: folder.path, with: "") }
        == ["/train/cat/4a.bmp", "/train/dog/7a.jpg", "/train/dog/8a.bmp", "/test/dog/x.gif"])
    #expect(bad[0].reason == "is empty")
    #expect(bad[1].reason == "is an HTML page, not an image")
    #expect(bad[2].reason.contains("truncated"))
  }

  @Test func headersTellLess() throws {
    let (good, bad) = try dataset().checked(.headers, maximumBad: 3, threads: 2)
    #expect(good.items.count == 41 && bad.count == 3)
  }

  @Test func stopsAboveTheLimit() throws {
    let error = try #require(throws: GraftError.self) {
      try dataset().checked(.pixels, maximumBad: 3, threads: 2)
    }
    #expect(error.message.hasPrefix("4 of 44 images cannot be read: "))
    #expect(error.message.hasSuffix(" and 1 more"))
    #expect(error.message.contains("4a.bmp (is empty)"))
  }

  @Test func aClassThatIsLeftEmptyIsAnError() throws {
    try folder.write("cat/1.bmp", TestImage.bmp())
    try folder.write("dog/1.bmp", [])
    let dataset = try ImageDataset.open(folder.path)
    let error = try #require(throws: GraftError.self) {
      try dataset.checked(.headers, maximumBad: 5, threads: 1)
    }
    #expect(error.message == "class 'dog' has no images to train with")
  }

  @Test func samplesAreNeverBad() throws {
    try folder.write("data_batch_1.bin", CIFARFixture.binary(labels: (0..<10).map { [$0] }))
    let dataset = try ImageDataset.open(folder.path)
    let (good, bad) = try dataset.checked(.pixels, maximumBad: 0, threads: 2)
    #expect(good.items.count == 10 && bad.isEmpty)
  }

  /// Reading the memory of a process at address 0 fails as a broken disk does.
  @Test func aFailingDiskIsNoBadImage() throws {
    try folder.write("a.bmp", TestImage.bmp())
    try folder.write("b.bmp", TestImage.bmp())
    let table = try folder.write("t.csv", text: "a.bmp,x\nb.bmp,y\n/proc/self/mem,x\n")
    let dataset = try ImageDataset.open(table)
    let error = try #require(throws: GraftError.self) {
      try dataset.checked(.pixels, maximumBad: 1000, threads: 2)
    }
    #expect(error.code == .inputOutput)
    #expect(GraftError.opening("x", EMFILE).code == .operatingSystem)
    #expect(GraftError.opening("x", EIO).code == .inputOutput)
    #expect(GraftError.opening("x", ENOENT).code == .noInput)
  }

  @Test func missingFilesAreBad() throws {
    try folder.write("a.bmp", TestImage.bmp())
    try folder.write("b.bmp", TestImage.bmp())
    let table = try folder.write("t.csv", text: "a.bmp,x\nb.bmp,y\nmissing.bmp,x\n")
    let dataset = try ImageDataset.open(table)
    let (good, bad) = try dataset.checked(.headers, maximumBad: 1, threads: 1)
    #expect(good.items.count == 2 && bad.count == 1)
  }
}
