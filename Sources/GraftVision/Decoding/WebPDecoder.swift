import CWebP
import GraftFiles

/// WebP by libwebp: lossy and lossless; the first frame of an animation, on black.
///
/// Source: <https://developers.google.com/speed/webp/docs/api>
enum WebPDecoder {
  /// The longest copy in the lossless format. Its code may take no bits at all, but a real image
  /// does not consist of such codes only.
  private static let pixelsPerByte = 4096

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    try reading("WebP") {
      let container = WebPContainer(bytes)
      guard let canvas = try container.animationCanvas() else {
        let size = try size(of: bytes)
        return try decode(bytes, size: size, x: 0, y: 0, canvas: size, limit: limit)
      }
      let frame = try container.firstFrame()
      let size = try size(of: frame.data)
      guard size.width == frame.width, size.height == frame.height else {
        throw GraftError.badData("its first frame has a wrong size")
      }
      guard frame.x + size.width <= canvas.width, frame.y + size.height <= canvas.height else {
        throw GraftError.badData("its first frame extends beyond the canvas")
      }
      return try decode(
        frame.data, size: size, x: frame.x, y: frame.y, canvas: canvas, limit: limit)
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    try reading("WebP") {
      let size = try WebPContainer(bytes).animationCanvas() ?? size(of: bytes)
      try limit.check(width: size.width, height: size.height)
      return size
    }
  }

  private static func size(of data: UnsafeRawBufferPointer) throws -> ImageSize {
    var features = WebPBitstreamFeatures()
    try check(
      WebPGetFeatures(data.bindMemory(to: UInt8.self).baseAddress, data.count, &features))
    return ImageSize(width: Int(features.width), height: Int(features.height))
  }

  /// Decodes an image of `size`, placed at (`x`, `y`) within a black canvas.
  private static func decode(
    _ data: UnsafeRawBufferPointer, size: ImageSize, x: Int, y: Int, canvas: ImageSize,
    limit: PixelLimit
  ) throws -> Image {
    try limit.check(width: canvas.width, height: canvas.height)
    try limit.checkPlausibility(
      width: canvas.width, height: canvas.height, byteCount: data.count,
      pixelsPerByte: pixelsPerByte)
    return try Image(width: canvas.width, height: canvas.height, channelCount: 3) { pixels in
      var configuration = WebPDecoderConfig()
      guard WebPInitDecoderConfig(&configuration) != 0 else {
        throw GraftError(.unavailable, "libwebp has another version than at build time")
      }
      let rowByteCount = canvas.width * 3
      let start = y * rowByteCount + x * 3
      configuration.output.colorspace = MODE_RGB
      configuration.output.is_external_memory = 1
      configuration.output.u.RGBA.rgba = pixels.baseAddress.map { $0 + start }
      configuration.output.u.RGBA.stride = Int32(rowByteCount)
      configuration.output.u.RGBA.size = pixels.count - start
      defer { WebPFreeDecBuffer(&configuration.output) }
      try check(
        WebPDecode(data.bindMemory(to: UInt8.self).baseAddress, data.count, &configuration))
    }
  }

  private static func check(_ status: VP8StatusCode) throws {
    switch status {
    case VP8_STATUS_OK: return
    case VP8_STATUS_OUT_OF_MEMORY: throw GraftError(.operatingSystem, "there is not enough memory")
    case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED:
      throw GraftError.badData("it is truncated")
    case VP8_STATUS_UNSUPPORTED_FEATURE: throw GraftError.badData("it uses an unknown feature")
    default: throw GraftError.badData("its data are damaged")
    }
  }
}
