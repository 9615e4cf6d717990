extension Raster where Sample == UInt8 {
  /// The image in one channel, weighted by ITU-R 601-2 in fixed point, like Pillow's
  /// `convert("L")`.
  package func greyscale() throws -> Image {
    guard channelCount == 3 else { return self }
    return try Image(width: width, height: height, channelCount: 1) { target in
      withUnsafeSamples { source in
        for pixel in target.indices {
          let red = UInt32(source[pixel * 3]) * 19595
          let green = UInt32(source[pixel * 3 + 1]) * 38470
          let blue = UInt32(source[pixel * 3 + 2]) * 7471
          target[pixel] = UInt8(truncatingIfNeeded: (red + green + blue + 0x8000) >> 16)
        }
      }
    }
  }
}
