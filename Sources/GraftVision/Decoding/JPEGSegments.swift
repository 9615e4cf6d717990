import GraftFiles

/// The segments before a JPEG image's data. Damage ends the iteration.
///
/// Source: <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>, annex B
enum JPEGSegments {
  /// The contents of the APP1 segments, in order.
  static func applicationSegments1(of bytes: UnsafeRawBufferPointer) -> [ByteReader] {
    let file = ByteReader(bytes, .big)
    let startOfScan = 0xda
    let applicationSegment1 = 0xe1
    var segments: [ByteReader] = []
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
      else { break }
      if marker == applicationSegment1 { segments.append(segment) }
      offset += 2 + length
    }
    return segments
  }
}
