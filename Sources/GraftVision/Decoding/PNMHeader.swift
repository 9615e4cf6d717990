import GraftFiles

/// The header of a PBM, PGM or PPM file.
///
/// Source: <https://netpbm.sourceforge.net/doc/ppm.html>, and `pgm.html`, `pbm.html` next to it
struct PNMHeader {
  let channelCount: Int
  /// Numbers as text (`P1` to `P3`), or as bytes (`P4` to `P6`).
  let isPlain: Bool
  /// Black and white, where 1 is black.
  let isBilevel: Bool
  let width: Int
  let height: Int
  /// The sample value of full brightness.
  let maximum: Int
  /// The data after the header.
  let data: UnsafeRawBufferPointer

  /// Whether a file starts like these.
  static func recognizes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count > 2 && bytes[0] == UInt8(ascii: "P")
      && (UInt8(ascii: "1")...UInt8(ascii: "6")).contains(bytes[1])
      && (PNMText.isSpace(bytes[2]) || bytes[2] == PNMText.comment)
  }

  /// - Throws: `GraftError` if the header is truncated, or has an invalid number
  init(_ bytes: UnsafeRawBufferPointer) throws {
    let digit = Int(bytes[1] - UInt8(ascii: "0"))
    isPlain = digit <= 3
    isBilevel = digit == 1 || digit == 4
    channelCount = digit == 3 || digit == 6 ? 3 : 1
    var text = PNMText(bytes, from: 2)
    guard let width = try text.number(), let height = try text.number(),
      let maximum = isBilevel ? 1 : try text.number()
    else { throw GraftError.badData("it is truncated") }
    guard (1...65535).contains(maximum) else {
      throw GraftError.badData("its maximum sample is \(maximum); it must be 1 to 65535")
    }
    (self.width, self.height, self.maximum) = (width, height, maximum)
    data = UnsafeRawBufferPointer(rebasing: bytes[text.position...])
  }
}

/// The numbers in such files' text, separated by white space and comments.
struct PNMText {
  static let comment = UInt8(ascii: "#")
  /// No size or sample has more digits.
  private static let digitLimit = 10

  private let bytes: UnsafeRawBufferPointer
  private(set) var position: Int

  init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

  /// The next byte outside comments and, if `skippingSpace`, white space; `nil` at the end.
  mutating func next(skippingSpace: Bool) -> UInt8? {
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == PNMText.comment {
        while position < bytes.count {
          position += 1
          if [0x0a, 0x0d].contains(bytes[position - 1]) { break }
        }
      } else if !skippingSpace || !PNMText.isSpace(byte) {
        return byte
      }
    }
    return nil
  }

  /// The next number; consumes the one byte of white space after it. `nil` at the end.
  ///
  /// - Throws: `GraftError` for anything but a number
  mutating func number() throws -> Int? {
    guard var byte = next(skippingSpace: true) else { return nil }
    var value = 0
    var digitCount = 0
    while true {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else {
        throw GraftError.badData("it has the byte \(byte) instead of a number")
      }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
      digitCount += 1
      guard digitCount <= PNMText.digitLimit else {
        throw GraftError.badData("it has a number of more than \(PNMText.digitLimit) digits")
      }
      guard let following = next(skippingSpace: false), !PNMText.isSpace(following) else {
        return value
      }
      byte = following
    }
  }
}
