import GraftFiles

/// Reads the wire format of protocol buffers from untrusted bytes.
///
/// Source: <https://protobuf.dev/programming-guides/encoding/>
struct WireReader {
  enum FieldType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  struct Key {
    let field: Int
    let type: FieldType
  }

  /// The whole file; offsets count from its start.
  let bytes: UnsafeRawBufferPointer
  private(set) var position: Int
  let end: Int

  /// - Parameter range: the part of `bytes` to read; must be within it
  init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
    self.bytes = bytes
    self.position = range.lowerBound
    self.end = range.upperBound
  }

  var isAtEnd: Bool { position >= end }

  mutating func varint() throws -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end, shift < 70 {
      let byte = bytes[position]
      position += 1
      value |= shift < 64 ? UInt64(byte & 0x7f) << shift : 0
      if byte < 0x80 { return value }
      shift += 7
    }
    throw malformed("an unterminated number")
  }

  mutating func key() throws -> Key {
    let number = try varint()
    guard let type = FieldType(rawValue: UInt8(number & 7)), number >> 3 > 0,
      number >> 3 < 1 << 29
    else { throw malformed("an invalid field key") }
    return Key(field: Int(number >> 3), type: type)
  }

  /// Skips a length and that many bytes.
  ///
  /// - Returns: the range of those bytes
  mutating func lengthDelimited() throws -> Range<Int> {
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw malformed("a field of \(length) bytes with only \(end - position) left")
    }
    let range = position..<position + Int(length)
    position = range.upperBound
    return range
  }

  /// Skips a value.
  ///
  /// - Returns: the range of its bytes, without the length prefix
  mutating func value(_ type: FieldType) throws -> Range<Int> {
    switch type {
    case .varint:
      let start = position
      _ = try varint()
      return start..<position
    case .fixed32: return try fixed(4)
    case .fixed64: return try fixed(8)
    case .lengthDelimited: return try lengthDelimited()
    }
  }

  private mutating func fixed(_ width: Int) throws -> Range<Int> {
    guard end - position >= width else { throw malformed("a truncated number") }
    defer { position += width }
    return position..<position + width
  }

  func malformed(_ what: String) -> GraftError {
    .badData(
      "has \(what) at byte \(position)", hint: "The file is damaged, truncated or of another kind")
  }
}
