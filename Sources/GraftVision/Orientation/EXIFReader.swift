import GraftFiles

/// Reads only the orientation tag of EXIF data, from the first directory of its TIFF structure.
///
/// Every offset is checked, and only the first directory's offset is followed, so that no data can
/// make it run long.
package enum EXIFReader {
  private static let orientationTag = 0x0112

  /// `nil` if the tag is missing, invalid, or out of reach.
  package static func orientation(in exif: ByteReader) -> Orientation? {
    try? findOrientation(in: exif)
  }

  private static func findOrientation(in exif: ByteReader) throws -> Orientation? {
    let data = exif.hasText("Exif\0\0") ? try exif.suffix(from: 6) : exif
    let tiff: ByteReader
    if data.hasText("II*\0") {
      tiff = ByteReader(data.bytes, .little)
    } else if data.hasText("MM\0*") {
      tiff = ByteReader(data.bytes, .big)
    } else {
      return nil
    }
    let directory = try tiff.uint32(at: 4)
    for index in 0..<(try tiff.uint16(at: directory)) {
      let entry = directory + 2 + index * 12
      guard try tiff.uint16(at: entry) == orientationTag else { continue }
      return try value(of: entry, in: tiff).flatMap(Orientation.init(rawValue:))
    }
    return nil
  }

  /// The value of an entry with one number of one, two or four bytes.
  private static func value(of entry: Int, in tiff: ByteReader) throws -> Int? {
    guard try tiff.uint32(at: entry + 4) == 1 else { return nil }
    return switch try tiff.uint16(at: entry + 2) {
    case 1: try tiff.uint8(at: entry + 8)
    case 3: try tiff.uint16(at: entry + 8)
    case 4: try tiff.uint32(at: entry + 8)
    default: nil
    }
  }
}
