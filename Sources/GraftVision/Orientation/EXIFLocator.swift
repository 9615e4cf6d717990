/// Finds EXIF data in the formats that carry them. Damage on the way there means that there are
/// none.
enum EXIFLocator {
  /// The APP1 segment that starts with `Exif`; it comes before the picture's data.
  static func inJPEG(_ bytes: UnsafeRawBufferPointer) -> ByteReader? {
    let file = ByteReader(bytes, .big)
    let startOfScan = 0xda
    let applicationSegment1 = 0xe1
    var offset = 2
    while let prefix = try? file.uint8(at: offset), prefix == 0xff,
      let marker = try? file.uint8(at: offset + 1)
    {
      if marker == 0xff {  // Padding.
        offset += 1
        continue
      }
      if (0xd0...0xd8).contains(marker) || marker == 0x01 {  // Markers without a length.
        offset += 2
        continue
      }
      guard marker != startOfScan, let length = try? file.uint16(at: offset + 2), length >= 2,
        let segment = try? file.slice(at: offset + 4, count: length - 2)
      else { return nil }
      if marker == applicationSegment1, segment.hasText("Exif\0\0") { return segment }
      offset += 2 + length
    }
    return nil
  }

  /// The `eXIf` chunk.
  static func inPNG(_ bytes: UnsafeRawBufferPointer) -> ByteReader? {
    let file = ByteReader(bytes, .big)
    var offset = 8
    while let length = try? file.uint32(at: offset) {
      if file.hasText("eXIf", at: offset + 4) {
        return try? file.slice(at: offset + 8, count: length)
      }
      offset += 12 + length
    }
    return nil
  }

  /// The `EXIF` chunk.
  static func inWebP(_ bytes: UnsafeRawBufferPointer) -> ByteReader? {
    WebPContainer(bytes).chunk(named: "EXIF")?.payload
  }
}
