import GraftFiles
import GraftTensor

/// Converts images to a network's input.
package struct Preprocessor: Sendable {
  package let preprocessing: Preprocessing
  private let normalization: Normalization
  /// The values of all 256 samples for each channel of the tensor.
  private let table: [Float]

  /// - Throws: `GraftError` if scheme and number of channels do not match
  package init(_ preprocessing: Preprocessing) throws {
    let normalization = Normalization(preprocessing.scheme)
    let channelCount = preprocessing.channelCount
    guard channelCount == 3 || channelCount == 1 && !normalization.needsColors else {
      throw GraftError.usage(
        "preprocessing '\(preprocessing.scheme.rawValue)' cannot have \(channelCount) channels",
        hint: normalization.needsColors ? "Use 3" : "Use 1 or 3")
    }
    self.preprocessing = preprocessing
    self.normalization = normalization
    table = (0..<channelCount).flatMap { channel in
      (0..<256).map { normalization.normalize(Float($0), channel: channel) }
    }
  }

  /// The size in the tensor of an image of `size`.
  ///
  /// - Throws: `GraftError` if it would be too large
  package func outputSize(for size: ImageSize) throws -> ImageSize {
    let resized = try preprocessing.resize?.targetSize(for: size) ?? size
    let result = preprocessing.crop ?? resized
    try PixelLimit.standard.check(width: result.width, height: result.height)
    return result
  }

  /// A tensor of floats, `[1, C, H, W]` or `[1, H, W, C]`.
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

  /// Writes an image's part of a batch.
  ///
  /// - Throws: `GraftError` if it does not fill `target`, which happens if the input's size depends
  ///   on the image
  package func write(_ image: Image, to target: UnsafeMutableBufferPointer<Float>) throws {
    let size = try outputSize(for: image.size)
    guard size.width * size.height * preprocessing.channelCount == target.count else {
      throw GraftError.badData(
        "an image of \(image.size) pixels becomes \(size), which does not fit the input",
        hint: "Resize and crop all images to one size")
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

  /// The image with the input's channels, size and crop, before normalization. Samples of
  /// ``Interpolation/tensorFlowBilinear`` are rounded to 8 bits.
  ///
  /// - Throws: `GraftError` if the image would be empty or too large
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

  /// Writes the normalized result of ``prepared(_:)``.
  ///
  /// - Throws: `GraftError` if it does not fill `target`
  package func write(
    prepared image: Image, to target: UnsafeMutableBufferPointer<Float>
  ) throws {
    guard image.channelCount == preprocessing.channelCount, image.sampleCount == target.count else {
      throw GraftError.badData(
        "an image of \(image.size) pixels and \(image.channelCount) channels does not fit the input"
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
