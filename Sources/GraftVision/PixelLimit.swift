import GraftFiles

/// The largest allowed image; checked before memory is allocated.
package struct PixelLimit: Sendable, Hashable {
  package var maximumPixelCount: Int
  package var maximumSide: Int

  package init(maximumPixelCount: Int, maximumSide: Int = 1_000_000) {
    self.maximumPixelCount = maximumPixelCount
    self.maximumSide = maximumSide
  }

  /// The number of pixels from which Pillow suspects a decompression bomb.
  package static let standard = PixelLimit(maximumPixelCount: 178_956_970)

  /// What a library may allocate for an image: two bytes for each of four samples of a pixel.
  var libraryByteCount: Int {
    let count = min(maximumPixelCount, Self.standard.maximumPixelCount)
    return max(count * 8, 1 << 26)
  }

  /// - Throws: `GraftError` if a side is not positive, or the image is larger than allowed
  package func check(width: Int, height: Int) throws {
    guard width > 0, height > 0 else {
      throw GraftError.badData("an image of \(width)x\(height) pixels is empty")
    }
    guard width <= maximumSide, height <= maximumSide, width <= maximumPixelCount / height else {
      throw GraftError.badData(
        "an image of \(width)x\(height) pixels is too large",
        hint: "The limit is \(maximumPixelCount) pixels, and \(maximumSide) per side")
    }
  }

  /// Images up to this many pixels are decoded without a plausibility check. Larger ones must not
  /// claim more pixels than their file can hold at the format's best compression.
  private static let triedPixelCount = 1 << 24

  /// - Parameters:
  ///   - pixelsPerByte: the format's best compression
  ///   - tried: the pixels up to which there is no check
  /// - Throws: `GraftError` if the image is too large for a file of `byteCount` bytes
  func checkPlausibility(
    width: Int, height: Int, byteCount: Int, pixelsPerByte: Int, tried: Int = triedPixelCount
  ) throws {
    let pixelCount = width * height
    guard pixelCount <= tried || pixelCount / pixelsPerByte <= byteCount else {
      throw GraftError.badData("\(byteCount) bytes are too few for \(width)x\(height) pixels")
    }
  }
}
