import GraftFiles

/// The supported image formats.
enum ImageFormat {
  case jpeg
  case png
  case webP
  case bmp
  case pnm
  case gif
  case tiff
  case jpeg2000
  /// HEIC and AVIF
  case heif

  /// Recognizes a format by the first bytes of the file, whatever its name.
  ///
  /// - Throws: `GraftError` if the format is not supported
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
    } else if PNMHeader.recognizes(bytes) {
      self = .pnm
    } else if GIFDecoder.recognizes(bytes) {
      self = .gif
    } else if Self.tiffSignatures.contains(where: { bytes.starts(with: $0) }) {
      self = .tiff
    } else if reader.hasText("jP  \r\n", at: 4) || bytes.starts(with: [0xff, 0x4f, 0xff, 0x51]) {
      self = .jpeg2000
    } else if HEIFDecoder.recognizes(bytes) {
      self = .heif
    } else {
      let image = UnreadableFormat.name(of: bytes).map {
        "is a \($0) image, which is not supported"
      }
      let other = FileKind.recognize(bytes).map { "is \($0.name), not an image" }
      throw GraftError.badData(
        image ?? other ?? "is not an image in a known format",
        hint: "\(ImageFileKind.readableFormats) are supported")
    }
  }

  /// TIFF and BigTIFF, with both orders of bytes.
  private static let tiffSignatures: [[UInt8]] = [
    [0x49, 0x49, 0x2a, 0], [0x4d, 0x4d, 0, 0x2a], [0x49, 0x49, 0x2b, 0], [0x4d, 0x4d, 0, 0x2b],
  ]

  /// - Parameter warn: receives damage that did not prevent decoding
  func decode(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit, warn: (String) -> Void
  ) throws -> Image {
    switch self {
    case .jpeg: try JPEGDecoder.decode(bytes, limit: limit, warn: warn)
    case .png: try PNGDecoder.decode(bytes, limit: limit, warn: warn)
    case .webP: try WebPDecoder.decode(bytes, limit: limit)
    case .bmp: try BMPDecoder.decode(bytes, limit: limit)
    case .pnm: try PNMDecoder.decode(bytes, limit: limit)
    case .gif: try GIFDecoder.decode(bytes, limit: limit)
    case .tiff: try TIFFDecoder.decode(bytes, limit: limit)
    case .jpeg2000: try JPEG2000Decoder.decode(bytes, limit: limit)
    case .heif: try HEIFDecoder.decode(bytes, limit: limit)
    }
  }

  /// The size according to the header; the rest is not read.
  func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    switch self {
    case .jpeg: try JPEGDecoder.size(of: bytes, limit: limit)
    case .png: try PNGDecoder.size(of: bytes, limit: limit)
    case .webP: try WebPDecoder.size(of: bytes, limit: limit)
    case .bmp: try BMPDecoder.size(of: bytes, limit: limit)
    case .pnm: try PNMDecoder.size(of: bytes, limit: limit)
    case .gif: try GIFDecoder.size(of: bytes, limit: limit)
    case .tiff: try TIFFDecoder.size(of: bytes, limit: limit)
    case .jpeg2000: try JPEG2000Decoder.size(of: bytes, limit: limit)
    case .heif: try HEIFDecoder.size(of: bytes, limit: limit)
    }
  }

  /// The rotation from the EXIF data, or else from the XMP packet; damaged ones are ignored. TIFF,
  /// HEIC and AVIF are upright as they are decoded.
  func orientation(of bytes: UnsafeRawBufferPointer) -> Orientation? {
    switch self {
    case .jpeg:
      EXIFLocator.inJPEG(bytes).flatMap(EXIFReader.orientation)
        ?? XMPLocator.inJPEG(bytes).flatMap(XMPReader.orientation)
    case .png:
      EXIFLocator.inPNG(bytes, EXIFReader.orientation)
        ?? XMPLocator.inPNG(bytes).flatMap(XMPReader.orientation)
    case .webP:
      EXIFLocator.inWebP(bytes).flatMap(EXIFReader.orientation)
        ?? XMPLocator.inWebP(bytes).flatMap(XMPReader.orientation)
    case .bmp, .pnm, .gif, .tiff, .jpeg2000, .heif: nil
    }
  }
}
