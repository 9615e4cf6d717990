import GraftFiles
import GraftTensor

/// Finds EXIF data in image files. Damaged files count as having none.
enum EXIFLocator {
  /// The APP1 segment that starts with `Exif`, before the image data.
  static func inJPEG(_ bytes: UnsafeRawBufferPointer) -> ByteReader? {
    JPEGSegments.applicationSegments1(of: bytes).first { $0.hasText("Exif\0\0") }
  }

  /// The `eXIf` chunk, or else the compressed text of older ImageMagick versions.
  static func inPNG<Result>(
    _ bytes: UnsafeRawBufferPointer, _ body: (ByteReader) -> Result?
  ) -> Result? {
    if let chunk = PNGChunks(bytes).first(where: { $0.name == "eXIf" && $0.isComplete }) {
      return body(chunk.payload)
    }
    for keyword in ["Raw profile type exif", "Raw profile type APP1"] {
      if let profile = PNGText.find(keyword, in: bytes).flatMap(rawProfile) {
        return profile.withUnsafeBytes { body(ByteReader($0, .big)) }
      }
    }
    return nil
  }

  /// The `EXIF` chunk.
  static func inWebP(_ bytes: UnsafeRawBufferPointer) -> ByteReader? {
    WebPContainer(bytes).chunk(named: "EXIF")?.payload
  }

  /// The bytes of a profile: lines with its name and length, then hexadecimal digits.
  private static func rawProfile(_ text: [UInt8]) -> [UInt8]? {
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    guard lines.count > 3 else { return nil }
    let digits = lines[3...].joined().filter { !PNMText.isSpace($0) }.map {
      Character(UnicodeScalar($0)).hexDigitValue
    }
    guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8((digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0))
    }
  }
}
