import CGraftShims
import GraftFiles

extension Raster<UInt8> {
  /// The image as a PNG file of three channels; a grey sample is repeated three times.
  ///
  /// - Throws: `GraftError` if the image is too large for a PNG file or for memory
  package func pngFile() throws -> [UInt8] {
    guard [1, 3].contains(channelCount), width <= 1 << 20, height <= 1 << 20 else {
      throw GraftError.badData("an image of \(width)x\(height)x\(channelCount) cannot be a PNG")
    }
    let pixels = channelCount == 3 ? samples : samples.flatMap { [$0, $0, $0] }
    var message = [CChar](repeating: 0, count: Int(GRAFT_PNG_MESSAGE_SIZE))
    var count = 0
    let bytes = pixels.withUnsafeBufferPointer {
      graft_png_encode_rgb($0.baseAddress, UInt32(width), UInt32(height), &count, &message)
    }
    guard let bytes else {
      let reason = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw GraftError(
        .operatingSystem, "cannot be encoded: \(String(decoding: reason, as: UTF8.self))")
    }
    defer { free(bytes) }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }
}
