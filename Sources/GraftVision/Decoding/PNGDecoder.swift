import CGraftShims
import GraftTensor

/// PNG by libpng: every colour type and depth, interlaced or not.
///
/// Source: <https://www.w3.org/TR/png/>
enum PNGDecoder {
  private static let format = "PNG"

  /// Deflate makes 258 bytes of two bits at best.
  private static let maximumCompressionRatio = 1032

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    let reader = try open(bytes)
    defer { graft_png_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    return try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_PNG_MESSAGE_SIZE) { message in
        graft_png_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> PictureSize {
    let reader = try open(bytes)
    defer { graft_png_close(reader) }
    return try size(reader, byteCount: bytes.count, limit: limit)
  }

  private static func open(_ bytes: UnsafeRawBufferPointer) throws -> OpaquePointer {
    try withLibraryMessage(format: format, byteCount: GRAFT_PNG_MESSAGE_SIZE) {
      graft_png_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, $0)
    }
  }

  private static func size(
    _ reader: OpaquePointer, byteCount: Int, limit: PixelLimit
  ) throws -> PictureSize {
    let width = Int(graft_png_width(reader))
    let height = Int(graft_png_height(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      let bitsPerPixel = max(1, Int(graft_png_bits_per_pixel(reader)))
      try limit.checkPlausibility(
        width: width, height: height, byteCount: byteCount,
        pixelsPerByte: maximumCompressionRatio * 8 / bitsPerPixel)
    }
    return PictureSize(width: width, height: height)
  }
}
