import CGraftShims
import GraftFiles
import GraftTensor

/// PNG by libpng: every colour type and depth, interlaced or not; 16-bit samples keep their upper 8
/// bits.
///
/// Source: <https://www.w3.org/TR/png/>
enum PNGDecoder {
  private static let format = "PNG"

  /// Deflate encodes at most 258 bytes in two bits.
  private static let maximumCompressionRatio = 1032

  /// Decodes whatever has all of its pixels, like Pillow: checksums of pixel data may be wrong, and
  /// the end of the file may be missing.
  ///
  /// - Parameter warn: receives a message about either
  static func decode(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit, warn: (String) -> Void
  ) throws -> Image {
    var last: PNGChunks.Chunk?
    for chunk in PNGChunks(bytes) {
      last = chunk
      if chunk.name == "IEND" { break }
    }
    let isCutOff = last?.name != "IEND"
    if let last, last.name == "IDAT", !last.isComplete {
      return try repaired(bytes, last).withUnsafeBytes {
        try decode($0, limit: limit, isCutOff: isCutOff, warn: warn)
      }
    }
    return try decode(bytes, limit: limit, isCutOff: isCutOff, warn: warn)
  }

  private static func decode(
    _ bytes: UnsafeRawBufferPointer, limit: PixelLimit, isCutOff: Bool, warn: (String) -> Void
  ) throws -> Image {
    let reader = try open(bytes)
    defer { graft_png_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    let image = try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_PNG_MESSAGE_SIZE) { message in
        graft_png_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
    if isCutOff {
      warn("damaged PNG image: the end of the file is missing, but all pixels are present")
    } else if graft_png_has_wrong_checksum(reader) != 0 {
      warn("damaged PNG image: a checksum is wrong, so pixels may be wrong too")
    }
    return image
  }

  /// The file with a valid end where its last pixel chunk was truncated: libpng decodes the rest of
  /// such a chunk only if the chunk's length is right.
  private static func repaired(
    _ bytes: UnsafeRawBufferPointer, _ last: PNGChunks.Chunk
  ) -> [UInt8] {
    let length = UInt32(last.payload.count)
    let noChecksum: [UInt8] = [0, 0, 0, 0]
    let end: [UInt8] = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]
    return bytes[..<last.offset] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }
      + Array("IDAT".utf8) + last.payload.bytes + noChecksum + end
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
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
  ) throws -> ImageSize {
    let width = Int(graft_png_width(reader))
    let height = Int(graft_png_height(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      let bitsPerPixel = max(1, Int(graft_png_bits_per_pixel(reader)))
      try limit.checkPlausibility(
        width: width, height: height, byteCount: byteCount,
        pixelsPerByte: maximumCompressionRatio * 8 / bitsPerPixel)
    }
    return ImageSize(width: width, height: height)
  }
}
