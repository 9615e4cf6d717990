import CGraftShims
import GraftFiles

/// JPEG 2000 by OpenJPEG: JP2 files and code streams, grey, RGB, YCbCr and CMYK.
///
/// Source: <https://www.itu.int/rec/T-REC-T.800>
enum JPEG2000Decoder {
  private static let format = "JPEG 2000"

  /// A block of 64 x 64 coefficients that are all 0 takes less than a bit, but a real image does
  /// not consist of such blocks only.
  private static let pixelsPerByte = 1 << 14

  /// OpenJPEG takes four bytes for each sample.
  private static let triedPixelCount = 1 << 22

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    let reader = try open(bytes)
    defer { graft_jpeg2000_close(reader) }
    let size = try size(reader, byteCount: bytes.count, limit: limit)
    return try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
      try withLibraryMessage(format: format, byteCount: GRAFT_JPEG2000_MESSAGE_SIZE) { message in
        graft_jpeg2000_read_rgb(reader, pixels.baseAddress, message) == 0 ? nil : ()
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    let reader = try open(bytes)
    defer { graft_jpeg2000_close(reader) }
    return try size(reader, byteCount: bytes.count, limit: limit)
  }

  private static func open(_ bytes: UnsafeRawBufferPointer) throws -> OpaquePointer {
    try withLibraryMessage(format: format, byteCount: GRAFT_JPEG2000_MESSAGE_SIZE) {
      graft_jpeg2000_open(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, $0)
    }
  }

  private static func size(
    _ reader: OpaquePointer, byteCount: Int, limit: PixelLimit
  ) throws -> ImageSize {
    let width = Int(graft_jpeg2000_width(reader))
    let height = Int(graft_jpeg2000_height(reader))
    let componentCount = Int(graft_jpeg2000_component_count(reader))
    try reading(format) {
      try limit.check(width: width, height: height)
      guard (1...5).contains(componentCount) else {
        throw GraftError.badData("it has \(componentCount) components; up to 5 are supported")
      }
      try limit.checkPlausibility(
        width: width, height: height, byteCount: byteCount, pixelsPerByte: pixelsPerByte,
        tried: triedPixelCount)
    }
    return ImageSize(width: width, height: height)
  }
}
