import GraftFiles

/// PBM, PGM and PPM, plain and binary, up to 16 bits a sample, scaled to 8 bits like Pillow's
/// colours. (Pillow clips 16-bit greys at 255, which makes them white.)
///
/// Source: <https://netpbm.sourceforge.net/doc/ppm.html>, and `pgm.html`, `pbm.html` next to it
enum PNMDecoder {
  private static let format = "PNM"

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    try reading(format) {
      let header = try PNMHeader(bytes)
      try limit.check(width: header.width, height: header.height)
      let sampleCount = header.width * header.height * header.channelCount
      // A lower bound, checked before memory is allocated.
      let least =
        header.isPlain
        ? sampleCount
        : header.isBilevel
          ? (header.width + 7) / 8 * header.height : sampleCount * (header.maximum < 256 ? 1 : 2)
      guard header.data.count >= least else { throw GraftError.badData("it is truncated") }
      return try Image(width: header.width, height: header.height, channelCount: 3) { pixels in
        switch (header.isPlain, header.isBilevel) {
        case (true, true): try readPlainBits(header, to: pixels)
        case (true, false): try readPlain(header, to: pixels)
        case (false, true): readBits(header, to: pixels)
        case (false, false): readBinary(header, to: pixels)
        }
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    try reading(format) {
      let header = try PNMHeader(bytes)
      try limit.check(width: header.width, height: header.height)
      return ImageSize(width: header.width, height: header.height)
    }
  }

  /// The 8-bit form of each sample; halves are rounded to even.
  private static func scale(_ maximum: Int) -> [UInt8] {
    (0...maximum).map { value in
      UInt8((Double(value) / Double(maximum) * 255).rounded(.toNearestOrEven))
    }
  }

  /// Writes samples in file order; a grey sample is repeated three times.
  private static func write(
    _ header: PNMHeader, to pixels: UnsafeMutableBufferPointer<UInt8>,
    _ sample: (_ index: Int) throws -> UInt8
  ) rethrows {
    if header.channelCount == 3 {
      for index in pixels.indices { pixels[index] = try sample(index) }
    } else {
      for pixel in 0..<(header.width * header.height) {
        let grey = try sample(pixel)
        for channel in 0..<3 { pixels[pixel * 3 + channel] = grey }
      }
    }
  }

  private static func readBinary(
    _ header: PNMHeader, to pixels: UnsafeMutableBufferPointer<UInt8>
  ) {
    let scale = scale(header.maximum)
    let data = header.data
    // Larger samples are clipped to the maximum.
    if header.maximum < 256 {
      write(header, to: pixels) { scale[min(Int(data[$0]), header.maximum)] }
    } else {
      write(header, to: pixels) {
        scale[min(Int(data[$0 * 2]) << 8 | Int(data[$0 * 2 + 1]), header.maximum)]
      }
    }
  }

  private static func readBits(_ header: PNMHeader, to pixels: UnsafeMutableBufferPointer<UInt8>) {
    let rowByteCount = (header.width + 7) / 8
    write(header, to: pixels) { pixel in
      let (row, column) = pixel.quotientAndRemainder(dividingBy: header.width)
      let byte = header.data[row * rowByteCount + column / 8]
      return byte >> UInt8(7 - column % 8) & 1 == 1 ? 0 : 255
    }
  }

  private static func readPlain(
    _ header: PNMHeader, to pixels: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    let scale = scale(header.maximum)
    var text = PNMText(header.data)
    try write(header, to: pixels) { _ in
      guard let value = try text.number() else { throw GraftError.badData("it is truncated") }
      guard value <= header.maximum else {
        throw GraftError.badData("it has the sample \(value), above its maximum \(header.maximum)")
      }
      return scale[value]
    }
  }

  /// White space between the digits is optional.
  private static func readPlainBits(
    _ header: PNMHeader, to pixels: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    var text = PNMText(header.data)
    try write(header, to: pixels) { _ in
      switch text.next(skippingSpace: true) {
      case UInt8(ascii: "0"): return 255
      case UInt8(ascii: "1"): return 0
      case nil: throw GraftError.badData("it is truncated")
      case let byte?: throw GraftError.badData("it has the byte \(byte) instead of 0 or 1")
      }
    }
  }
}
