import GraftFiles

/// Reads the wire format of protocol buffers from bytes that nobody vouches for.
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

  /// Everything; offsets count from its start.
  let bytes: UnsafeRawBufferPointer
  private(set) var position: Int
  let end: Int

  /// - Parameter range: what to read of `bytes`; must lie inside of it.
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
    throw malformed("a number that does not end")
  }

  mutating func key() throws -> Key {
    let number = try varint()
    guard let type = FieldType(rawValue: UInt8(number & 7)), number >> 3 > 0,
      number >> 3 < 1 << 29
    else { throw malformed("an impossible field key") }
    return Key(field: Int(number >> 3), type: type)
  }

  /// Steps over a length and as many bytes.
  ///
  /// - Returns: where those bytes lie
  mutating func lengthDelimited() throws -> Range<Int> {
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw malformed("a field of \(length) bytes where \(end - position) are left")
    }
    let range = position..<position + Int(length)
    position = range.upperBound
    return range
  }

  /// Steps over a value.
  ///
  /// - Returns: where its bytes lie, without the length of a length-delimited one
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
    guard end - position >= width else { throw malformed("a number that is cut off") }
    defer { position += width }
    return position..<position + width
  }

  func malformed(_ what: String) -> GraftError {
    .badData(
      "has \(what) at byte \(position)", hint: "The file is damaged, cut off or not of this kind")
  }
}
