import GraftFiles

/// The headers of a BMP file, from OS/2's 12 bytes to Windows' 124.
///
/// Source: <https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types>
struct BMPHeader {
  enum Compression: Int {
    case none = 0
    case runLength8 = 1
    case runLength4 = 2
    case bitFields = 3
  }

  /// The bits of red, green and blue in a pixel.
  typealias Masks = (red: UInt32, green: UInt32, blue: UInt32)

  let width: Int
  let height: Int
  /// Whether rows are stored from top to bottom; in most files they are not.
  let isTopDown: Bool
  let bitsPerPixel: Int
  let compression: Compression
  /// The masks in the file; `nil` for the default layout.
  let masks: Masks?
  /// Red, green, blue; empty if pixels are not indices.
  let palette: [UInt8]
  /// The offset of the pixels in the file.
  let pixelOffset: Int

  private static let fileHeaderByteCount = 14

  init(_ file: ByteReader) throws {
    let headerByteCount = try file.uint32(at: BMPHeader.fileHeaderByteCount)
    guard [12, 40, 52, 56, 64, 108, 124].contains(headerByteCount) else {
      throw GraftError.badData("its header size of \(headerByteCount) bytes is not supported")
    }
    let header = try file.slice(at: BMPHeader.fileHeaderByteCount, count: headerByteCount)
    var paletteOffset = BMPHeader.fileHeaderByteCount + headerByteCount
    let paletteEntryByteCount: Int
    var colorCount = 0
    if headerByteCount == 12 {
      width = try header.uint16(at: 4)
      height = try header.uint16(at: 6)
      isTopDown = false
      bitsPerPixel = try header.uint16(at: 10)
      compression = .none
      masks = nil
      paletteEntryByteCount = 3
    } else {
      width = try header.int32(at: 4)
      let signedHeight = try header.int32(at: 8)
      height = abs(signedHeight)
      isTopDown = signedHeight < 0
      bitsPerPixel = try header.uint16(at: 14)
      let compressionNumber = try header.uint32(at: 16)
      guard let compression = Compression(rawValue: compressionNumber) else {
        throw GraftError.badData("its compression \(compressionNumber) is not supported")
      }
      self.compression = compression
      colorCount = try header.uint32(at: 32)
      if compression == .bitFields {
        masks = try BMPHeader.masks(file)
        if headerByteCount == 40 { paletteOffset += 12 }
      } else {
        masks = nil
      }
      paletteEntryByteCount = 4
    }
    try BMPHeader.check(bitsPerPixel, compression)

    if bitsPerPixel <= 8 {
      if colorCount == 0 { colorCount = 1 << bitsPerPixel }
      guard colorCount <= 1 << 16 else {
        throw GraftError.badData("its palette of \(colorCount) colours is too large")
      }
      let entries = try file.slice(at: paletteOffset, count: colorCount * paletteEntryByteCount)
      palette = BMPHeader.palette(entries.bytes, paletteEntryByteCount)
      paletteOffset += entries.count
    } else {
      palette = []
    }
    let statedOffset = try file.uint32(at: 10)
    pixelOffset = statedOffset == 0 ? paletteOffset : statedOffset
  }

  private static func check(_ bitsPerPixel: Int, _ compression: Compression) throws {
    let allowed: [Int] =
      switch compression {
      case .none: [1, 4, 8, 16, 24, 32]
      case .runLength8: [8]
      case .runLength4: [4]
      case .bitFields: [16, 24, 32]
      }
    guard allowed.contains(bitsPerPixel) else {
      throw GraftError.badData(
        "\(bitsPerPixel) bits per pixel are not allowed with compression \(compression.rawValue)")
    }
  }

  /// The masks directly follow the first 40 bytes, which all newer headers share.
  private static func masks(_ file: ByteReader) throws -> Masks {
    let start = fileHeaderByteCount + 40
    return (
      red: UInt32(try file.uint32(at: start)), green: UInt32(try file.uint32(at: start + 4)),
      blue: UInt32(try file.uint32(at: start + 8))
    )
  }

  /// 256 colours of three bytes, black where the file defines none.
  private static func palette(
    _ entries: UnsafeRawBufferPointer, _ entryByteCount: Int
  ) -> [UInt8] {
    var palette = [UInt8](repeating: 0, count: 256 * 3)
    for index in 0..<min(256, entries.count / entryByteCount) {
      for channel in 0..<3 {
        palette[index * 3 + channel] = entries[index * entryByteCount + 2 - channel]
      }
    }
    return palette
  }
}
