import GraftFiles

/// The first frame of a GIF, on its canvas.
///
/// As in Pillow, what the frame leaves free has the colour of the transparent index, or else of
/// index 0, and a GIF without a palette is grey. Transparent pixels keep the colour of their index.
///
/// Source: <https://www.w3.org/Graphics/GIF/spec-gif89a.txt>
enum GIFDecoder {
  private static let format = "GIF"

  static func recognizes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let reader = ByteReader(bytes)
    return reader.hasText("GIF87a") || reader.hasText("GIF89a")
  }

  static func decode(_ bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> Image {
    try reading(format) {
      let frame = try GIFFrame(bytes)
      let size = try size(of: frame, byteCount: bytes.count, limit: limit)
      return try Image(width: size.width, height: size.height, channelCount: 3) { pixels in
        let colours = frame.colours
        fill(pixels, with: colours[frame.transparentIndex ?? 0])
        guard frame.width > 0, frame.height > 0 else { return }
        var decompressor = try GIFDecompressor(codeBits: frame.codeBits, blocks: frame.blocks)
        try decompressor.read(frame.width * frame.height) { place, index in
          let (row, column) = place.quotientAndRemainder(dividingBy: frame.width)
          let y = frame.y + (frame.isInterlaced ? interlaced(row, of: frame.height) : row)
          let start = (y * size.width + frame.x + column) * 3
          let colour = colours[Int(index)]
          (pixels[start], pixels[start + 1], pixels[start + 2]) = (
            colour.red, colour.green, colour.blue
          )
        }
      }
    }
  }

  static func size(of bytes: UnsafeRawBufferPointer, limit: PixelLimit) throws -> ImageSize {
    try reading(format) {
      try size(of: GIFFrame(bytes), byteCount: bytes.count, limit: limit)
    }
  }

  /// The canvas, or what the frame extends it to.
  private static func size(
    of frame: GIFFrame, byteCount: Int, limit: PixelLimit
  ) throws -> ImageSize {
    let size = ImageSize(
      width: max(frame.canvas.width, frame.x + frame.width),
      height: max(frame.canvas.height, frame.y + frame.height))
    try limit.check(width: size.width, height: size.height)
    // A code of 12 bits stands for at most 4,096 pixels. The rest of the canvas takes nothing.
    try limit.checkPlausibility(
      width: size.width, height: size.height, byteCount: byteCount, pixelsPerByte: 4096)
    return size
  }

  private static func fill(
    _ pixels: UnsafeMutableBufferPointer<UInt8>, with colour: GIFFrame.Colour
  ) {
    for start in stride(from: 0, to: pixels.count, by: 3) {
      (pixels[start], pixels[start + 1], pixels[start + 2]) = (
        colour.red, colour.green, colour.blue
      )
    }
  }

  /// The row of the image that is stored as row `row`: every 8th, then those between, and so on.
  private static func interlaced(_ row: Int, of height: Int) -> Int {
    var rest = row
    for (first, step) in [(0, 8), (4, 8), (2, 4), (1, 2)] {
      let count = height > first ? (height - first + step - 1) / step : 0
      if rest < count { return first + rest * step }
      rest -= count
    }
    return row
  }
}

/// What a GIF says of its first frame.
private struct GIFFrame {
  struct Colour {
    var red: UInt8
    var green: UInt8
    var blue: UInt8
  }

  let canvas: ImageSize
  let x: Int
  let y: Int
  let width: Int
  let height: Int
  let isInterlaced: Bool
  /// 256 colours.
  let colours: [Colour]
  let transparentIndex: Int?
  let codeBits: Int
  /// The compressed data from their first block on.
  let blocks: ByteReader

  init(_ bytes: UnsafeRawBufferPointer) throws {
    let reader = ByteReader(bytes)
    canvas = ImageSize(width: try reader.uint16(at: 6), height: try reader.uint16(at: 8))
    var position = 13
    var colours = try Self.palette(
      reader, flags: reader.uint8(at: 10), at: &position)
    var transparent: Int?
    while true {
      switch try reader.uint8(at: position) {
      case 0x21:
        // An extension; a graphic control says which index is transparent.
        let isControl = try reader.uint8(at: position + 1) == 0xf9
        if isControl, try reader.uint8(at: position + 2) >= 4 {
          let isTransparent = try reader.uint8(at: position + 3) & 1 != 0
          transparent = isTransparent ? try reader.uint8(at: position + 6) : nil
        }
        position += 2
        while case let count = try reader.uint8(at: position), count > 0 { position += 1 + count }
        position += 1
      case 0x2c:
        x = try reader.uint16(at: position + 1)
        y = try reader.uint16(at: position + 3)
        width = try reader.uint16(at: position + 5)
        height = try reader.uint16(at: position + 7)
        let flags = try reader.uint8(at: position + 9)
        isInterlaced = flags & 0x40 != 0
        position += 10
        colours = try Self.palette(reader, flags: flags, at: &position) ?? colours
        codeBits = try reader.uint8(at: position)
        blocks = try reader.suffix(from: position + 1)
        self.colours = colours ?? (0...255).map { Colour(red: $0, green: $0, blue: $0) }
        transparentIndex = transparent
        return
      case 0x3b: throw GraftError.badData("it has no image")
      case let other: throw GraftError.badData("it has the byte \(other) instead of a block")
      }
    }
  }

  /// A palette, filled up with black; `nil` if the flags say that there is none.
  private static func palette(
    _ reader: ByteReader, flags: Int, at position: inout Int
  ) throws -> [Colour]? {
    guard flags & 0x80 != 0 else { return nil }
    let count = 2 << (flags & 7)
    let bytes = try reader.slice(at: position, count: 3 * count).bytes
    position += 3 * count
    return (0..<256).map { index in
      index < count
        ? Colour(red: bytes[3 * index], green: bytes[3 * index + 1], blue: bytes[3 * index + 2])
        : Colour(red: 0, green: 0, blue: 0)
    }
  }
}

/// LZW with codes of up to 12 bits.
private struct GIFDecompressor {
  private static let codeLimit = 4096

  private var blocks: ByteReader
  private var restOfBlock = 0
  private var buffer = 0
  private var bitCount = 0

  private let clearCode: Int
  private let startBits: Int
  private var bits: Int
  /// The next code to define.
  private var next: Int
  private var previous: Int?
  /// Each code is the text of another one and one more byte.
  private var prefixes = [UInt16](repeating: 0, count: codeLimit)
  private var lastBytes = [UInt8](repeating: 0, count: codeLimit)
  private var firstBytes = [UInt8](repeating: 0, count: codeLimit)
  private var lengths = [UInt16](repeating: 1, count: codeLimit)

  init(codeBits: Int, blocks: ByteReader) throws {
    guard (1...8).contains(codeBits) else {
      throw GraftError.badData("its codes have \(codeBits) bits")
    }
    self.blocks = blocks
    clearCode = 1 << codeBits
    startBits = codeBits + 1
    bits = startBits
    next = clearCode + 2
    for code in 0..<clearCode {
      lastBytes[code] = UInt8(code)
      firstBytes[code] = UInt8(code)
    }
  }

  /// - Returns: `nil` at the end of the data
  private mutating func code() throws -> Int? {
    while bitCount < bits {
      while restOfBlock == 0 {
        guard !blocks.isAtEnd else { throw GraftError.badData("it is truncated") }
        restOfBlock = Int(try blocks.take(1)[0])
        if restOfBlock == 0 { return nil }
      }
      guard !blocks.isAtEnd else { throw GraftError.badData("it is truncated") }
      buffer |= Int(try blocks.take(1)[0]) << bitCount
      restOfBlock -= 1
      bitCount += 8
    }
    let code = buffer & ((1 << bits) - 1)
    buffer >>= bits
    bitCount -= bits
    return code
  }

  /// Decompresses `count` bytes.
  ///
  /// - Throws: `GraftError` if there are fewer, or a code is not defined
  mutating func read(_ count: Int, _ body: (_ place: Int, _ byte: UInt8) -> Void) throws {
    var done = 0
    while done < count {
      guard let code = try code(), code != clearCode + 1 else {
        throw GraftError.badData("it is truncated")
      }
      if code == clearCode {
        bits = startBits
        next = clearCode + 2
        previous = nil
        continue
      }
      guard code < next || (code == next && previous != nil), code < Self.codeLimit else {
        throw GraftError.badData("a code is not defined")
      }
      if let previous, next < Self.codeLimit {
        prefixes[next] = UInt16(previous)
        firstBytes[next] = firstBytes[previous]
        // The code being defined begins with its own first byte.
        lastBytes[next] = firstBytes[code == next ? previous : code]
        lengths[next] = lengths[previous] + 1
        next += 1
        if next == 1 << bits, bits < 12 { bits += 1 }
      }
      guard code < next else { throw GraftError.badData("a code is not defined") }
      // The text of a code is known from its end.
      let length = Int(lengths[code])
      var (rest, place) = (code, done + length - 1)
      while place >= done {
        if place < count { body(place, lastBytes[rest]) }
        rest = Int(prefixes[rest])
        place -= 1
      }
      done += length
      previous = code
    }
  }
}
