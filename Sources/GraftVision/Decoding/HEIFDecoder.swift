import CGraftShims
import GraftFiles

/// HEIC and AVIF by libheif, which is loaded at run time: what phones write. The primary image,
/// upright.
enum HEIFDecoder {
  private static let format = "HEIC or AVIF"

  /// The brands of HEIC and AVIF files.
  ///
  /// Source: <https://nokiatech.github.io/heif/technical.html>, and
  /// <https://aomediacodec.github.io/av1-avif/>
  private static let brands: Set<String> = [
    "avif", "avis", "heic", "heim", "heis", "heix", "hevc", "hevm", "hevs", "hevx", "mif1", "mif2",
    "msf1",
  ]

  static func recognizes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return false }
    return brands.contains(String(decoding: bytes[8..<12], as: UTF8.self))
  }

  /// libheif limits extents itself. Above that, a coding tree unit of 64 x 64 pixels may take a
  /// few bits.
  private static let pixelsPerByte = 1 << 14

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    let reader = try open(bytes)
    defer { graft_heif_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    return try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_HEIF_MESSAGE_SIZE) { message in
        graft_heif_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    let reader = try open(bytes)
    defer { graft_heif_close(reader) }
    return try size(reader, byteCount: bytes.count, limit: limit)
  }

  private static func open(_ bytes: UnsafeRawBufferPointer) throws -> OpaquePointer {
    try load()
    return try withLibraryMessage(format: format, byteCount: GRAFT_HEIF_MESSAGE_SIZE) {
      graft_heif_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, $0)
    }
  }

  /// - Throws: `GraftError` if libheif cannot be used
  private static func load() throws {
    do {
      try withLibraryMessage(format: format, byteCount: GRAFT_HEIF_MESSAGE_SIZE) { message in
        graft_heif_load(message) == 0 ? nil : ()
      }
    } catch let error as GraftError {
      throw GraftError(
        .unavailable, error.message,
        hint: "Install libheif (on Debian: apt-get install libheif1), or convert the image to JPEG")
    }
  }

  private static func size(
    _ reader: OpaquePointer, byteCount: Int, limit: PixelLimit
  ) throws -> ImageSize {
    let width = Int(graft_heif_width(reader))
    let height = Int(graft_heif_height(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      try limit.checkPlausibility(
        width: width, height: height, byteCount: byteCount, pixelsPerByte: pixelsPerByte)
    }
    return ImageSize(width: width, height: height)
  }
}
