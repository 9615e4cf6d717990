import GraftFiles
import GraftTensor

extension Raster<UInt8> {
  /// Writes the image to a PNG file, which appears under its name when it is complete.
  ///
  /// - Throws: `GraftError` if the image is too large, or the file cannot be written
  package func writePNG(to path: String) throws {
    try pngFile().withUnsafeBytes { try AtomicFile.write($0, to: path) }
  }
}
