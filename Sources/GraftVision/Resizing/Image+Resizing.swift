import GraftTensor

extension Raster where Sample == UInt8 {
  /// The picture at another size, as Pillow's `Image.resize` gives it, bit by bit.
  ///
  /// - Throws: `GraftError` if the size is empty or too large, and for an interpolation that does
  ///   not give 8-bit samples.
  package func resized(to size: PictureSize, _ interpolation: Interpolation) throws -> Image {
    try PixelLimit.standard.check(width: size.width, height: size.height)
    guard size != self.size else { return self }
    switch interpolation {
    case .nearest:
      return try resizedToNearest(size)
    case .bilinear:
      return try resampled(to: size, .bilinear)
    case .bicubic:
      return try resampled(to: size, .bicubic)
    case .tensorFlowBilinear:
      throw GraftError(.software, "\(interpolation.rawValue) does not give 8-bit samples")
    }
  }
}
