import GraftData
import GraftExecution
import GraftFiles
import GraftTensor
import GraftVision

/// Converts images of a dataset to network inputs, several at once.
package struct ImageBatches: Sendable {
  package let items: [ImageDataset.Item]
  package let preprocessor: Preprocessor
  /// `[C, H, W]` or `[H, W, C]`.
  package let imageShape: Shape
  private let threadCount: Int
  private let augmentation: AugmentationPipeline?
  private let trainingCount: Int
  private let decoded: DecodedImages

  /// - Parameters:
  ///   - trainingCount: the number of training images, which come first
  ///   - augmentation: changes the images that are written with a round
  ///   - decodedMemoryLimit: the bytes of decoded images to keep in memory
  /// - Throws: `GraftError` if the preprocessing does not make all images equally large
  package init(
    _ items: [ImageDataset.Item], _ preprocessing: Preprocessing, threadCount: Int,
    trainingCount: Int = 0, augmentation: AugmentationPipeline? = nil,
    decodedMemoryLimit: Int = DecodedImages.memoryLimit
  ) throws {
    guard let size = preprocessing.fixedSize else {
      throw GraftError.usage(
        "images would have different sizes", hint: "Resize them to one size, such as 224")
    }
    self.items = items
    self.preprocessor = try Preprocessor(preprocessing)
    let channels = preprocessing.channelCount
    imageShape =
      preprocessing.layout == .channelsFirst
      ? [channels, size.height, size.width] : [size.height, size.width, channels]
    self.threadCount = threadCount
    self.augmentation = augmentation
    self.trainingCount = trainingCount
    decoded = DecodedImages(
      count: augmentation == nil ? 0 : items.count, memoryLimit: decodedMemoryLimit)
  }

  /// Writes images one after another, `[numbers.count, C, H, W]`.
  ///
  /// - Parameter round: of random changes; `nil` for unchanged images
  /// - Throws: `GraftError` that names the first unreadable image
  func write(
    _ numbers: [Int], augmentedIn round: AugmentationRound? = nil,
    to target: UnsafeMutablePointer<Float>
  ) throws {
    nonisolated(unsafe) let target = target
    let size = imageShape.elementCount
    _ = try ThreadPool.shared.map(numbers.count, threads: threadCount) { place in
      let number = numbers[place]
      let part = UnsafeMutableBufferPointer(start: target + place * size, count: size)
      try withPlace(items[number].image.place) {
        if let round {
          try preprocessor.write(prepared: image(number, in: round), to: part)
        } else {
          try preprocessor.write(image(of: items[number]), to: part)
        }
      }
      return true
    }
  }

  /// Images as a network's input, `[numbers.count, C, H, W]` or `[numbers.count, H, W, C]`.
  ///
  /// - Throws: `GraftError` that names the first unreadable image
  package func input(_ numbers: [Int]) throws -> Tensor {
    let input = try Tensor(zeros: .float, shape: [numbers.count] + imageShape)
    try write(numbers, to: input.baseAddress.assumingMemoryBound(to: Float.self))
    return input
  }

  /// A training image with a round's random changes, resized and cropped but not normalized.
  package func image(_ number: Int, in round: AugmentationRound) throws -> Image {
    let unchanged = try prepared(number)
    guard let augmentation else { return unchanged }
    let image = try augmentation.apply(to: unchanged, seed: round.seed(ofImage: number))
    guard let mixture = mixture(of: number, in: round) else { return image }
    let partner = try withPlace(items[mixture.partner].image.place) {
      try augmentation.apply(
        to: prepared(mixture.partner), seed: round.seed(ofImage: mixture.partner))
    }
    return try mixture.apply(to: image, partner: partner)
  }

  /// How a training image is mixed in a round; `nil` if it is not.
  package func mixture(of number: Int, in round: AugmentationRound) -> Mixture? {
    guard let size = preprocessor.preprocessing.fixedSize else { return nil }
    return augmentation?.mixture(
      ofImage: number, among: trainingCount, size: size, in: round)
  }

  /// An image, resized and cropped, before random changes and normalization.
  package func prepared(_ number: Int) throws -> Image {
    let item = items[number]
    // Raw samples need no second copy.
    if case .samples(let samples, _) = item.image,
      samples.size == preprocessor.preprocessing.fixedSize
    {
      return try preprocessor.prepared(image(of: item))
    }
    return try decoded.image(number) { try preprocessor.prepared(image(of: item)) }
  }

  private func image(of item: ImageDataset.Item) throws -> Image {
    try item.image(applyingOrientation: preprocessor.preprocessing.appliesOrientation)
  }
}
