import GraftTensor

extension Raster where Sample == UInt8 {
  /// Decodes a JPEG, PNG, WebP or BMP picture to red, green and blue, as Pillow's
  /// `Image.open(file).convert("RGB")` does: alpha is dropped, colour profiles are left alone, and
  /// of an animation comes the first picture.
  ///
  /// - Parameters:
  ///   - place: What messages call the picture: its path.
  ///   - applyingOrientation: Whether to turn the picture upright if its EXIF data say how.
  /// - Throws: `GraftError` for an unknown format, and for a damaged, truncated or too large
  ///   picture.
  package static func decode(
    _ bytes: UnsafeRawBufferPointer, place: String, limit: PixelLimit = .standard,
    applyingOrientation: Bool = false
  ) throws -> Image {
    try withPlace(place) {
      let format = try PictureFormat(of: bytes)
      let image = try format.decode(bytes, limit: limit)
      guard applyingOrientation, let orientation = format.orientation(of: bytes) else {
        return image
      }
      return try image.oriented(orientation)
    }
  }

  package static func decode(
    _ bytes: [UInt8], place: String, limit: PixelLimit = .standard,
    applyingOrientation: Bool = false
  ) throws -> Image {
    try bytes.withUnsafeBytes {
      try decode($0, place: place, limit: limit, applyingOrientation: applyingOrientation)
    }
  }

  /// Whether bytes begin as an image of a format that can be decoded does.
  package static func isRecognized(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? PictureFormat(of: bytes)) != nil
  }

  /// The size of a picture, before any turning, from its header alone: it may be cut off behind.
  ///
  /// - Throws: `GraftError` for an unknown format, and for a picture that is empty or too large.
  package static func size(
    of bytes: UnsafeRawBufferPointer, place: String, limit: PixelLimit = .standard
  ) throws -> PictureSize {
    try withPlace(place) { try PictureFormat(of: bytes).size(of: bytes, limit: limit) }
  }

  /// Reads and decodes a file, or standard input if `path` is `-`.
  package static func read(
    _ path: String, limit: PixelLimit = .standard, applyingOrientation: Bool = false
  ) throws -> Image {
    try decode(
      InputFile.read(path), place: InputFile.displayName(of: path), limit: limit,
      applyingOrientation: applyingOrientation)
  }
}
