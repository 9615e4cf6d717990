import CGraftShims

/// JPEG by libjpeg-turbo: baseline and progressive, grey, RGB, YCbCr, CMYK and YCCK.
///
/// Uses libjpeg's defaults (accurate integer transform, smooth upsampling), like Pillow.
/// Source: <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>
enum JPEGDecoder {
  private static let format = "JPEG"

  /// A Huffman code takes at least a bit per block. Blocks are sparsest with one component sampled
  /// 4x1 and one 1x4, which gives eight blocks for 32x32 pixels.
  private static let pixelsPerByte = 32 * 32

  /// - Parameter warn: receives damage that libjpeg recovered from
  static func decode(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit, warn: (String) -> Void
  ) throws -> Image {
    let reader = try open(bytes, limit: limit)
    defer { graft_jpeg_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    let image = try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_JPEG_MESSAGE_SIZE) { message in
        graft_jpeg_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
    let warning = graft_jpeg_warning(reader).map { String(cString: $0) } ?? ""
    if !warning.isEmpty { warn("damaged JPEG image: \(warning)") }
    return image
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    let reader = try open(bytes, limit: limit)
    defer { graft_jpeg_close(reader) }
    return try size(reader, byteCount: bytes.count, limit: limit)
  }

  private static func open(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit
  ) throws -> OpaquePointer {
    // Progressive images need all coefficients at once.
    try withLibraryMessage(format: format, byteCount: GRAFT_JPEG_MESSAGE_SIZE) {
      graft_jpeg_open(
        bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, limit.libraryByteCount, $0)
    }
  }

  private static func size(
    _ reader: OpaquePointer, byteCount: Int, limit: PixelLimit
  ) throws -> ImageSize {
    let width = Int(graft_jpeg_width(reader))
    let height = Int(graft_jpeg_height(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      if graft_jpeg_is_huffman_coded(reader) != 0 {
        try limit.checkPlausibility(
          width: width, height: height, byteCount: byteCount, pixelsPerByte: pixelsPerByte)
      }
    }
    return ImageSize(width: width, height: height)
  }
}
