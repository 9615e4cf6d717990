import CGraftShims
import GraftFiles

/// TIFF by libtiff: strips and tiles, every compression that libtiff knows; the first image.
///
/// The image is turned upright as its own tag says, as Pillow does on opening.
/// Source: <https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf>
enum TIFFDecoder {
  private static let format = "TIFF"

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    let reader = try open(bytes, limit: limit)
    defer { graft_tiff_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    let image = try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_TIFF_MESSAGE_SIZE) { message in
        graft_tiff_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
    let orientation = Orientation(rawValue: Int(graft_tiff_orientation(reader)))
    return try image.oriented(orientation ?? .leave)
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    let reader = try open(bytes, limit: limit)
    defer { graft_tiff_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    let orientation = Orientation(rawValue: Int(graft_tiff_orientation(reader))) ?? .leave
    return orientation.swapsSides
      ? ImageSize(width: size.height, height: size.width) : size
  }

  private static func open(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit
  ) throws -> OpaquePointer {
    try withLibraryMessage(format: format, byteCount: GRAFT_TIFF_MESSAGE_SIZE) {
      graft_tiff_open(
        bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, limit.libraryByteCount, $0)
    }
  }

  /// As the pixels are stored.
  private static func size(
    _ reader: OpaquePointer, byteCount: Int, limit: PixelLimit
  ) throws -> ImageSize {
    let width = Int(graft_tiff_width(reader))
    let height = Int(graft_tiff_height(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      let ratio = Int(graft_tiff_compression_ratio(reader))
      if ratio > 0 {
        let bitsPerPixel = max(1, Int(graft_tiff_bits_per_pixel(reader)))
        try limit.checkPlausibility(
          width: width, height: height, byteCount: byteCount,
          pixelsPerByte: max(1, ratio * 8 / bitsPerPixel))
      }
    }
    return ImageSize(width: width, height: height)
  }
}
