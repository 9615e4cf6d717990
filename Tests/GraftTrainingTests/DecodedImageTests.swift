import Foundation
import GraftData
import GraftFiles
import GraftTraining
import GraftVision
import TestSupport
import Testing

/// What stays in memory of images that are augmented again and again.
@Suite final class DecodedImageTests {
  private let temporaryFolder: TemporaryFolder
  private let folder: String
  private let items: [ImageDataset.Item]
  private let round = AugmentationRound(seed: 3, phase: 0, epoch: 1)

  init() throws {
    temporaryFolder = try TemporaryFolder()
    folder = temporaryFolder.path
    items = try (0..<4).map { [folder] number in
      let path = "\(folder)/\(number).png"
      try Image(
        width: 20, height: 10 + number, channelCount: 3,
        samples: (0..<20 * (10 + number) * 3).map { UInt8($0 * (number + 3) % 256) }
      ).writePNG(to: path)
      return ImageDataset.Item(image: .file(path), label: number % 2)
    }
  }

  private func batches(memoryLimit: Int) throws -> ImageBatches {
    var preprocessing = Preprocessing(.unit)
    preprocessing.resize = .exact(ImageSize(width: 8, height: 6))
    return try ImageBatches(
      items, preprocessing, threadCount: 2, trainingCount: 4,
      augmentation: AugmentationPipeline("flip,crop(2),mixup"), decodedMemoryLimit: memoryLimit)
  }

  @Test func theLimitChangesNoImage() throws {
    func images(_ memoryLimit: Int) throws -> [[UInt8]] {
      let batches = try batches(memoryLimit: memoryLimit)
      return try [0, 1, 2, 3, 0, 1, 2, 3].map { try batches.image($0, in: round).samples }
    }
    let expected = try images(1 << 20)
    #expect(Array(expected[..<4]) == Array(expected[4...]))
    #expect(Set(expected).count == 4)
    for limit in [0, 100, 300] { #expect(try images(limit) == expected) }
  }

  /// An image of 8x6 takes 144 bytes: two fit 300.
  @Test func imagesStayUpToTheLimit() throws {
    let (all, two) = (try batches(memoryLimit: 1 << 20), try batches(memoryLimit: 300))
    for number in 0..<4 {
      _ = try all.prepared(number)
      _ = try two.prepared(number)
    }
    for item in items { try FileManager.default.removeItem(atPath: item.image.place) }
    for number in 0..<4 { #expect(throws: Never.self) { try all.image(number, in: round) } }
    for number in 0..<2 { #expect(throws: Never.self) { try two.prepared(number) } }
    expectError(.noInput, items[2].image.place) { try two.prepared(2) }
    expectError(.noInput, items[3].image.place) { try two.prepared(3) }
  }
}
