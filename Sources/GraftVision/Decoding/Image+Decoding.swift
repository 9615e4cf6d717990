import GraftFiles
import GraftTensor

extension Raster where Sample == UInt8 {
  /// Decodes an image (``ImageFileKind/readableFormats``) to red, green and blue, like Pillow's
  /// `Image.open(file).convert("RGB")`: it drops alpha, ignores colour profiles, and takes the
  /// first image of an animation. 16-bit samples are scaled to 8.
  ///
  /// - Parameters:
  ///   - place: the image's path, for messages
  ///   - applyingOrientation: whether to rotate the image as its EXIF data or XMP packet says
  ///   - warnings: receives damage that did not prevent decoding
  /// - Throws: `GraftError` for unknown formats, and for damaged, truncated or too large images
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

  /// Whether bytes start like an image in a supported format.
  package static func isRecognized(_ bytes: UnsafeRawBufferPointer) -> Bool {
    (try? ImageFormat(of: bytes)) != nil
  }

  /// The size of an image before any rotation, from its header; the rest may be missing.
  ///
  /// - Throws: `GraftError` for an unknown format, and for an empty or too large image
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
