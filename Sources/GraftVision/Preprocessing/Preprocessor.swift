import GraftFiles
import GraftTensor

/// Makes a network's input of images.
package struct Preprocessor: Sendable {
  package let preprocessing: Preprocessing
  private let normalization: Normalization
  /// The numbers for all 256 samples of each of the tensor's channels.
  private let table: [Float]

  /// - Throws: `GraftError` if the scheme and the number of channels do not go together.
  package init(_ preprocessing: Preprocessing) throws {
    let normalization = Normalization(preprocessing.scheme)
    let channelCount = preprocessing.channelCount
    guard channelCount == 3 || channelCount == 1 && !normalization.needsColors else {
      throw GraftError.usage(
        "preprocessing '\(preprocessing.scheme.rawValue)' cannot make \(channelCount) channels",
        hint: normalization.needsColors ? "It needs 3." : "It can make 1 or 3.")
    }
    self.preprocessing = preprocessing
    self.normalization = normalization
    table = (0..<channelCount).flatMap { channel in
      (0..<256).map { normalization.normalize(Float($0), channel: channel) }
    }
  }

  /// The size that an image of `size` has in the tensor.
  ///
  /// - Throws: `GraftError` if it would be too large.
  package func outputSize(for size: ImageSize) throws -> ImageSize {
    let resized = try preprocessing.resize?.targetSize(for: size) ?? size
    let result = preprocessing.crop ?? resized
    try PixelLimit.standard.check(width: result.width, height: result.height)
    return result
  }

  /// `[1, C, H, W]` or `[1, H, W, C]`, float.
  package func tensor(for image: Image) throws -> Tensor {
    let size = try outputSize(for: image.size)
    let channelCount = preprocessing.channelCount
    let shape =
      switch preprocessing.layout {
      case .channelsFirst: [1, channelCount, size.height, size.width]
      case .channelsLast: [1, size.height, size.width, channelCount]
      }
    let tensor = try Tensor(zeros: .float, shape: shape)
    try tensor.withUnsafeMutableBytes { try write(image, to: $0.bindMemory(to: Float.self)) }
    return tensor
  }

  /// Writes the image's part of a batch.
  ///
  /// - Throws: `GraftError` if it does not fill `target`, which happens where the size of the
  ///   image decides that of the input.
  package func write(_ image: Image, to target: UnsafeMutableBufferPointer<Float>) throws {
    let size = try outputSize(for: image.size)
    guard size.width * size.height * preprocessing.channelCount == target.count else {
      throw GraftError.badData(
        "an image of \(image.size) pixels gives \(size), which does not fit the input",
        hint: "Resize and crop to one size.")
    }
    let source = preprocessing.channelCount == 1 ? try image.greyscale() : image
    let resized = try preprocessing.resize?.targetSize(for: image.size) ?? image.size
    if preprocessing.interpolation == .tensorFlowBilinear {
      let raster = try source.resizedLikeTensorFlow(to: resized, croppedTo: preprocessing.crop)
      let normalization = normalization
      write(raster, to: target) { normalization.normalize($0, channel: $1) }
    } else {
      let raster = try source.resized(
        to: resized, croppedTo: preprocessing.crop, preprocessing.interpolation)
      table.withUnsafeBufferPointer { table in
        write(raster, to: target) { table[$1 * 256 + Int($0)] }
      }
    }
  }

  /// The image as the network sees it, before its samples become numbers: channels, size and part are those of the
  /// input. Samples that ``Interpolation/tensorFlowBilinear`` makes are rounded to 8 bits.
  ///
  /// - Throws: `GraftError` if the image would be empty or too large.
  package func prepared(_ image: Image) throws -> Image {
    let source = preprocessing.channelCount == 1 ? try image.greyscale() : image
    let resized = try preprocessing.resize?.targetSize(for: image.size) ?? image.size
    guard preprocessing.interpolation == .tensorFlowBilinear else {
      return try source.resized(
        to: resized, croppedTo: preprocessing.crop, preprocessing.interpolation)
    }
    guard resized != source.size else {
      return try preprocessing.crop.map { try source.centerCropped(to: $0) } ?? source
    }
    let raster = try source.resizedLikeTensorFlow(to: resized, croppedTo: preprocessing.crop)
    return try Image(width: raster.width, height: raster.height, channelCount: raster.channelCount)
    {
      target in
      raster.withUnsafeSamples { samples in
        for index in target.indices { target[index] = UInt8(samples[index].rounded()) }
      }
    }
  }

  /// Writes the numbers of what ``prepared(_:)`` made.
  ///
  /// - Throws: `GraftError` if it does not fill `target`.
  package func write(
    prepared image: Image, to target: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard image.channelCount == preprocessing.channelCount, image.sampleCount == target.count else {
      throw GraftError.badData(
        "an image of \(image.size) pixels in \(image.channelCount) channels does not fit the input"
      )
    }
    table.withUnsafeBufferPointer { table in
      write(image, to: target) { table[$1 * 256 + Int($0)] }
    }
  }

  @inline(__always)
  private func write<Sample>(
    _ raster: Raster<Sample>, to target: UnsafeMutableBufferPointer<Float>,
    _ normalize: (_ sample: Sample, _ channel: Int) -> Float
  ) {
    let pixelCount = raster.width * raster.height
    let channelCount = raster.channelCount
    let (channelStep, pixelStep) =
      preprocessing.layout == .channelsFirst ? (pixelCount, 1) : (1, channelCount)
    raster.withUnsafeSamples { source in
      for channel in 0..<channelCount {
        let sourceChannel = normalization.sourceChannel(of: channel)
        for pixel in 0..<pixelCount {
          target[channel * channelStep + pixel * pixelStep] =
            normalize(source[pixel * channelCount + sourceChannel], channel)
        }
      }
    }
  }
}
