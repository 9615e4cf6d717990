import GraftFiles

/// Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, bit fields, run lengths.
///
/// Source: <https://learn.microsoft.com/windows/win32/gdi/bitmap-storage>
enum BMPDecoder {
  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    try reading("BMP") {
      let file = ByteReader(bytes, .little)
      let header = try BMPHeader(file)
      try limit.check(width: header.width, height: header.height)
      let data = try file.suffix(from: header.pixelOffset)
      switch header.compression {
      case .runLength4, .runLength8:
        return try decodeRuns(header, data, limit: limit)
      case .none, .bitFields:
        return try decodePlain(header, data)
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    try reading("BMP") {
      let header = try BMPHeader(ByteReader(bytes, .little))
      try limit.check(width: header.width, height: header.height)
      return ImageSize(width: header.width, height: header.height)
    }
  }

  private static func decodeRuns(
    _ header: BMPHeader, _ data: ByteReader, limit: PixelLimit
  ) throws -> Image {
    // Two bytes encode at most a run of 255 pixels.
    try limit.checkPlausibility(
      width: header.width, height: header.height, byteCount: data.count, pixelsPerByte: 128)
    let indices = try BMPRunLengthDecoder.indices(
      of: data.bytes, width: header.width, height: header.height,
      hasHalfBytes: header.compression == .runLength4)
    return try indices.withUnsafeSamples { indices in
      try image(header) { row, pixels in
        let start = row * header.width
        write(indices[start..<(start + header.width)], palette: header.palette, to: pixels)
      }
    }
  }

  private static func decodePlain(_ header: BMPHeader, _ data: ByteReader) throws -> Image {
    let width = header.width
    let rowByteCount = (width * header.bitsPerPixel + 31) / 32 * 4
    let rows = try data.slice(at: 0, count: rowByteCount * header.height).bytes
    let unpacker = try pixelUnpacker(header)
    return try image(header) { row, pixels in
      let start = row * rowByteCount
      let bytes = UnsafeRawBufferPointer(rebasing: rows[start..<(start + rowByteCount)])
      if let unpacker {
        for x in 0..<width { unpacker.unpack(bytes, x, pixels, x * 3) }
      } else {
        let bits = header.bitsPerPixel
        let indices = (0..<width).lazy.map { x in
          bytes[x * bits / 8] >> UInt8(8 - bits - x * bits % 8) & UInt8((1 << bits) - 1)
        }
        write(indices, palette: header.palette, to: pixels)
      }
    }
  }

  /// Calls `writeRow` for each row in the file's order, with the memory of the image's row.
  private static func image(
    _ header: BMPHeader, writeRow: (Int, UnsafeMutableBufferPointer<UInt8>) -> Void
  ) throws -> Image {
    try Image(width: header.width, height: header.height, channelCount: 3) { pixels in
      let rowByteCount = header.width * 3
      for row in 0..<header.height {
        let start = (header.isTopDown ? row : header.height - 1 - row) * rowByteCount
        writeRow(row, UnsafeMutableBufferPointer(rebasing: pixels[start..<(start + rowByteCount)]))
      }
    }
  }

  private static func write(
    _ indices: some Sequence<UInt8>, palette: [UInt8], to pixels: UnsafeMutableBufferPointer<UInt8>
  ) {
    var position = 0
    for index in indices {
      let color = Int(index) * 3
      pixels[position] = palette[color]
      pixels[position + 1] = palette[color + 1]
      pixels[position + 2] = palette[color + 2]
      position += 3
    }
  }

  /// The conversion of pixels that are not palette indices.
  private static func pixelUnpacker(_ header: BMPHeader) throws -> BMPPixelUnpacker? {
    switch header.bitsPerPixel {
    case 16:
      return try BMPPixelUnpacker(
        byteCount: 2, masks: header.masks ?? (red: 0x7c00, green: 0x3e0, blue: 0x1f))
    case 24, 32:
      var masks = header.masks ?? (red: 0xff0000, green: 0xff00, blue: 0xff)
      // Some programs omit the masks.
      if masks == (0, 0, 0) { masks = (red: 0xff0000, green: 0xff00, blue: 0xff) }
      return try BMPPixelUnpacker(byteCount: header.bitsPerPixel / 8, masks: masks)
    default:
      return nil
    }
  }
}
