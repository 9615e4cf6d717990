import GraftFiles

/// Reads the bytes of a pickle sequentially.
struct PickleInput {
  private let bytes: FileBytes
  private(set) var position = 0

  init(_ bytes: FileBytes) { self.bytes = bytes }

  /// The number of all bytes, including those already read.
  var totalCount: Int { bytes.count }

  static func damaged(at position: Int) -> GraftError {
    .badData("is not a pickle, or is damaged at byte \(position)")
  }

  func damaged() -> GraftError { Self.damaged(at: position) }

  mutating func read(_ count: Int) throws -> FileBytes {
    let part = try bytes.part(at: position, count: count)
    position += count
    return part
  }

  mutating func byte() throws -> UInt8 { try read(1).withUnsafeBytes { $0[0] } }

  /// A little-endian number; a number beyond `Int` would exceed any limit.
  mutating func unsigned(byteCount: Int) throws -> Int {
    let number = try read(byteCount).withUnsafeBytes { bytes in
      bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    guard let integer = Int(exactly: number) else { throw damaged() }
    return integer
  }

  /// A little-endian number in two's complement of up to 8 bytes; 0 for none.
  mutating func signed(byteCount: Int) throws -> Int {
    guard byteCount <= 8 else {
      throw GraftError.unsupported("has an integer of \(byteCount) bytes at byte \(position)")
    }
    guard byteCount > 0 else { return 0 }
    let number = try read(byteCount).withUnsafeBytes { bytes in
      bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    let shift = UInt64(64 - 8 * byteCount)
    return Int(Int64(bitPattern: number << shift) >> Int64(shift))
  }

  /// The bytes up to the next line feed, which is consumed.
  mutating func line() throws -> FileBytes {
    let start = position
    let rest = try bytes.part(at: start, count: bytes.count - start)
    guard let length = rest.withUnsafeBytes({ $0.firstIndex(of: UInt8(ascii: "\n")) }) else {
      throw damaged()
    }
    position += length + 1
    return try rest.part(at: 0, count: length)
  }

  /// A line with a decimal number, possibly followed by the `L` of Python 2.
  mutating func decimalLine() throws -> Int {
    var text = try line().text
    if text.hasSuffix("L") { text.removeLast() }
    guard let number = Int(text) else { throw damaged() }
    return number
  }
}
