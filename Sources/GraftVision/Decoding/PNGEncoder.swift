import CGraftShims
import Foundation
import GraftTensor

extension Raster where Sample == UInt8 {
  /// Writes the picture as a PNG file, which appears under its name when it is whole.
  ///
  /// - Throws: `GraftError` if the file cannot be written.
  package func writePNG(to path: String) throws {
    var byteCount = 0
    let bytes = try withUnsafeSamples { samples in
      try withLibraryMessage(format: "PNG", byteCount: GRAFT_PNG_MESSAGE_SIZE) { message in
        graft_png_encode(
          samples.baseAddress, UInt32(width), UInt32(height), Int32(channelCount), &byteCount,
          message)
      }
    }
    defer { free(bytes) }
    try AtomicFile.write(UnsafeRawBufferPointer(start: bytes, count: byteCount), to: path)
  }
}
