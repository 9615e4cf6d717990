import GraftTensor
import GraftFiles

extension Raster where Sample == UInt8 {
  /// Decodes a JPEG, PNG, WebP, BMP or PNM image to red, green and blue, as Pillow's
  /// `Image.open(file).convert("RGB")` does: alpha is dropped, colour profiles are left alone, and
  /// of an animation comes the first image. Samples of 16 bits are scaled to 8.
  ///
  /// - Parameters:
  ///   - place: What messages call the image: its path.
  ///   - applyingOrientation: Whether to turn the image upright if its EXIF data or XMP packet say how.
  ///   - warnings: Told of damage that does not keep the image from being decoded.
  /// - Throws: `GraftError` for an unknown format, and for a damaged, truncated or too large
  ///   image.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, place: String, limit: PixelLimit = .standard,
    applyingOrientation: Bool = true, warnings: ImageWarnings = .shared
  ) throws -> Image {
    try withPlace(place) {
      let format = try ImageFormat(of: bytes)
      let image = try format.decode(bytes, limit: limit) { warnings.report($0, place: place) }
      guard applyingOrientation, let orientation = format.orientation(of: bytes) else {
        return image
      }
      return try image.oriented(orientation)
    }
  }

  package static func decode(
    _ bytes: [UInt8], place: String, limit: PixelLimit = .standard,
    applyingOrientation: Bool = true, warnings: ImageWarnings = .shared
  ) throws -> Image {
    try bytes.withUnsafeBytes {
      try decode(
        $0, place: place, limit: limit, applyingOrientation: applyingOrientation,
        warnings: warnings)
    }
  }

  /// Whether bytes begin as an image of a format that can be decoded does.
  package static func isRecognized(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? ImageFormat(of: bytes)) != nil
  }

  /// The size of an image, before any turning, from its header alone: it may be cut off behind.
  ///
  /// - Throws: `GraftError` for an unknown format, and for an image that is empty or too large.
  package static func size(
    of bytes: UnsafeRawBufferPointer, place: String, limit: PixelLimit = .standard
  ) throws -> ImageSize {
    try withPlace(place) { try ImageFormat(of: bytes).size(of: bytes, limit: limit) }
  }

  /// Reads and decodes a file, or standard input if `path` is `-`.
  package static func read(
    _ path: String, limit: PixelLimit = .standard, applyingOrientation: Bool = true
  ) throws -> Image {
    try decode(
      InputFile.read(path), place: InputFile.displayName(of: path), limit: limit,
      applyingOrientation: applyingOrientation)
  }
}
