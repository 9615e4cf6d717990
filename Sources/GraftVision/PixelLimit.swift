import GraftFiles

/// How large an image may be; checked before memory is taken for it.
package struct PixelLimit: Sendable, Hashable {
  package var maximumPixelCount: Int
  package var maximumSide: Int

  package init(maximumPixelCount: Int, maximumSide: Int = 1_000_000) {
    self.maximumPixelCount = maximumPixelCount
    self.maximumSide = maximumSide
  }

  /// As many pixels as Pillow opens before it calls an image a decompression bomb.
  package static let standard = PixelLimit(maximumPixelCount: 178_956_970)

  /// - Throws: `GraftError` if a side is not positive, or the image is larger than allowed.
  package func check(width: Int, height: Int) throws {
    guard width > 0, height > 0 else {
      throw GraftError.badData("an image of \(width)x\(height) pixels is empty")
    }
    guard width <= maximumSide, height <= maximumSide, width <= maximumPixelCount / height else {
      throw GraftError.badData(
        "an image of \(width)x\(height) pixels is too large",
        hint: "At most \(maximumPixelCount) pixels are read, \(maximumSide) on a side.")
    }
  }

  /// What a format's best compression reaches decides how large an image a file can hold; what
  /// claims more is refused before memory is taken for it. Up to this many pixels it is tried
  /// anyway.
  private static let triedPixelCount = 1 << 24

  /// - Parameter pixelsPerByte: What the format's best compression reaches.
  /// - Throws: `GraftError` if the image is too large for a file of `byteCount` bytes.
  func checkPlausibility(width: Int, height: Int, byteCount: Int, pixelsPerByte: Int) throws {
    let pixelCount = width * height
    guard pixelCount <= PixelLimit.triedPixelCount || pixelCount / pixelsPerByte <= byteCount else {
      throw GraftError.badData("\(byteCount) bytes are too few for \(width)x\(height) pixels")
    }
  }
}
