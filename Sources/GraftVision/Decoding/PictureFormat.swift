import GraftTensor

/// The file formats of pictures that can be read.
enum PictureFormat {
  case jpeg
  case png
  case webP
  case bmp

  /// Recognises a format by the bytes that its files start with; names of files do not count.
  ///
  /// - Throws: `GraftError` if it is none of the known ones.
  init(of bytes: UnsafeRawBufferPointer) throws {
    guard !bytes.isEmpty else { throw GraftError.badData("is empty") }
    let reader = ByteReader(bytes, .big)
    if bytes.starts(with: [0xff, 0xd8, 0xff]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
      self = .png
    } else if reader.hasText("RIFF"), reader.hasText("WEBP", at: 8) {
      self = .webP
    } else if reader.hasText("BM") {
      self = .bmp
    } else {
      throw GraftError.badData(
        "is no picture of a known format", hint: "JPEG, PNG, WebP and BMP can be read.")
    }
  }

  func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    switch self {
    case .jpeg: try JPEGDecoder.decode(bytes, limit: limit)
    case .png: try PNGDecoder.decode(bytes, limit: limit)
    case .webP: try WebPDecoder.decode(bytes, limit: limit)
    case .bmp: try BMPDecoder.decode(bytes, limit: limit)
    }
  }

  /// The size that the header tells; the rest is not looked at.
  func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> PictureSize {
    switch self {
    case .jpeg: try JPEGDecoder.size(of: bytes, limit: limit)
    case .png: try PNGDecoder.size(of: bytes, limit: limit)
    case .webP: try WebPDecoder.size(of: bytes, limit: limit)
    case .bmp: try BMPDecoder.size(of: bytes, limit: limit)
    }
  }

  /// How the picture has to be turned, if its EXIF data say so. Damaged EXIF data say nothing.
  func orientation(of bytes: UnsafeRawBufferPointer) -> Orientation? {
    let exif: ByteReader? =
      switch self {
      case .jpeg: EXIFLocator.inJPEG(bytes)
      case .png: EXIFLocator.inPNG(bytes)
      case .webP: EXIFLocator.inWebP(bytes)
      case .bmp: nil
      }
    return exif.flatMap(EXIFReader.orientation)
  }
}
