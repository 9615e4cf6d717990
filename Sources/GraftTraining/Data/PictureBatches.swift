import GraftData
import GraftRuntime
import GraftVision

/// Makes network inputs of the pictures of a data set, several at once.
package struct PictureBatches: Sendable {
  package let items: [PictureDataset.Item]
  package let preprocessor: Preprocessor
  /// `[C, H, W]` or `[H, W, C]`.
  package let pictureShape: Shape
  private let threadCount: Int

  /// - Throws: `GraftError` if the preprocessing does not make all pictures equally large.
  package init(
    _ items: [PictureDataset.Item], _ preprocessing: Preprocessing, threadCount: Int
  ) throws {
    guard let size = preprocessing.fixedSize else {
      throw GraftError.usage(
        "pictures would not be equally large", hint: "Resize them to one size, such as 224")
    }
    self.items = items
    self.preprocessor = try Preprocessor(preprocessing)
    let channels = preprocessing.channelCount
    pictureShape =
      preprocessing.layout == .channelsFirst
      ? [channels, size.height, size.width] : [size.height, size.width, channels]
    self.threadCount = threadCount
  }

  /// Writes pictures one after the other, `[numbers.count, C, H, W]`.
  ///
  /// - Throws: `GraftError` that names the first picture which cannot be read.
  func write(_ numbers: [Int], to target: UnsafeMutablePointer<Float>) throws {
    nonisolated(unsafe) let target = target
    let size = pictureShape.elementCount
    _ = try ThreadPool.shared.map(numbers.count, threads: threadCount) { place in
      let item = items[numbers[place]]
      try withPlace(item.picture.place) {
        try preprocessor.write(
          item.image(),
          to: UnsafeMutableBufferPointer(start: target + place * size, count: size))
      }
      return true
    }
  }
}
