/// Pillow's `ImageEnhance`, bit for bit: blends an image with one that lacks a property. Factor 1
/// keeps the image, 0 removes the property, more than 1 amplifies it.
///
/// Source: <https://pillow.readthedocs.io/en/stable/reference/ImageEnhance.html>
extension Raster where Sample == UInt8 {
  /// Blends with black.
  package func withBrightness(_ factor: Float) throws -> Image {
    try blended(from: { _ in 0 }, factor)
  }

  /// Blends with the mean of the grey levels.
  package func withContrast(_ factor: Float) throws -> Image {
    let grey = try greyscale()
    let sum = grey.withUnsafeSamples { $0.reduce(0) { $0 + Int($1) } }
    let mean = Int(Double(sum) / Double(grey.sampleCount) + 0.5)
    return try blended(from: { _ in mean }, factor)
  }

  /// Blends with the grey levels.
  package func withSaturation(_ factor: Float) throws -> Image {
    try greyscale().withUnsafeSamples { grey in
      let channelCount = channelCount
      return try blended(from: { Int(grey[$0 / channelCount]) }, factor)
    }
  }

  /// Blends with the smoothed image: each pixel has weight 5, its eight neighbours 1. Pixels at the
  /// edges stay.
  package func withSharpness(_ factor: Float) throws -> Image {
    try smoothed().withUnsafeSamples { smooth in try blended(from: { Int(smooth[$0]) }, factor) }
  }

  /// Pillow's `Image.blend`, which truncates fractions.
  ///
  /// - Parameter start: the samples of the other image
  @inline(__always)
  private func blended(from start: (Int) -> Int, _ factor: Float) throws -> Image {
    guard factor != 1 else { return self }
    return try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        for index in target.indices {
          let first = start(index)
          let value = Float(first) + factor * Float(Int(source[index]) - first)
          target[index] = UInt8(min(max(value, 0), 255))
        }
      }
    }
  }

  /// Pillow's `filter(ImageFilter.SMOOTH)`.
  private func smoothed() throws -> Image {
    try Image(width: width, height: height, channelCount: channelCount) { target in
      withUnsafeSamples { source in
        _ = target.update(fromContentsOf: source)
        guard width > 2, height > 2 else { return }
        let rowCount = width * channelCount
        for y in 1..<height - 1 {
          for index in (y * rowCount + channelCount)..<((y + 1) * rowCount - channelCount) {
            var sum = 4 * Int(source[index])
            for row in [index - rowCount, index, index + rowCount] {
              sum +=
                Int(source[row - channelCount]) + Int(source[row])
                + Int(source[row + channelCount])
            }
            target[index] = UInt8((2 * sum + 13) / 26)
          }
        }
      }
    }
  }
}
