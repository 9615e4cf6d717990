import GraftFiles

/// The widths of numbers, set by the superblock.
struct HDF5Widths {
  /// Bytes of an address.
  var address = 8
  /// Bytes of a length.
  var length = 8
}

/// Reads a part of a file sequentially; every access is checked.
struct HDF5Reader {
  let storage: Storage
  let widths: HDF5Widths
  /// The position of the next byte in `storage`.
  private(set) var position: Int
  /// The end of the part in `storage`.
  let end: Int

  /// - Precondition: `range` is within `storage`
  init(_ storage: Storage, _ range: Range<Int>, widths: HDF5Widths) {
    precondition(range.lowerBound >= 0 && range.upperBound <= storage.byteCount)
    self.storage = storage
    self.widths = widths
    position = range.lowerBound
    end = range.upperBound
  }

  var remainingByteCount: Int { end - position }

  /// - Throws: `GraftError` if too few bytes are left
  private mutating func advance(by count: Int) throws -> Int {
    guard count >= 0, count <= end - position else {
      throw GraftError.damagedHDF5("the structure before byte \(position) is too short")
    }
    defer { position += count }
    return position
  }

  mutating func skip(_ count: Int) throws { _ = try advance(by: count) }

  /// Skips zero bytes up to a multiple of 8, counted from `start`.
  mutating func align(from start: Int) throws { try skip((8 - (position - start) % 8) % 8) }

  /// A little-endian number of 0 to 8 bytes.
  mutating func unsigned(width: Int) throws -> UInt64 {
    precondition((0...8).contains(width))
    let start = try advance(by: width)
    defer { withExtendedLifetime(storage) {} }
    return (0..<width).reduce(0) { value, index in
      value | UInt64(storage.baseAddress.load(fromByteOffset: start + index, as: UInt8.self))
        << UInt64(8 * index)
    }
  }

  /// Like ``unsigned(width:)``.
  ///
  /// - Throws: `GraftError` if it exceeds an `Int`
  mutating func integer(width: Int) throws -> Int {
    let value = try unsigned(width: width)
    guard let integer = Int(exactly: value) else {
      throw GraftError.damagedHDF5("the number before byte \(position) is too large")
    }
    return integer
  }

  mutating func byte() throws -> Int { try integer(width: 1) }

  mutating func length() throws -> Int { try integer(width: widths.length) }

  /// An address, counted from the superblock; `nil` for the undefined address.
  mutating func address() throws -> Int? {
    let value = try unsigned(width: widths.address)
    let undefined: UInt64 = widths.address == 8 ? .max : 1 << UInt64(8 * widths.address) - 1
    guard value != undefined else { return nil }
    guard let address = Int(exactly: value) else {
      throw GraftError.damagedHDF5("the address before byte \(position) is too large")
    }
    return address
  }

  mutating func bytes(_ count: Int) throws -> [UInt8] {
    let start = try advance(by: count)
    defer { withExtendedLifetime(storage) {} }
    return [UInt8](UnsafeRawBufferPointer(start: storage.baseAddress + start, count: count))
  }

  mutating func string(_ count: Int) throws -> String {
    String(decoding: try bytes(count), as: UTF8.self)
  }

  /// A zero-terminated string.
  mutating func zeroTerminatedString() throws -> String {
    defer { withExtendedLifetime(storage) {} }
    let rest = UnsafeRawBufferPointer(start: storage.baseAddress + position, count: end - position)
    guard let count = rest.firstIndex(of: 0) else {
      throw GraftError.damagedHDF5("the text at byte \(position) has no end")
    }
    defer { position += 1 }
    return try string(count)
  }

  /// The next bytes, as a separate reader.
  mutating func part(_ count: Int) throws -> HDF5Reader {
    let start = try advance(by: count)
    return HDF5Reader(storage, start..<start + count, widths: widths)
  }

  /// - Throws: `GraftError` if the next bytes are not `text`
  mutating func expect(signature text: String) throws {
    let start = position
    guard try bytes(text.utf8.count).elementsEqual(text.utf8) else {
      throw GraftError.damagedHDF5("'\(text)' is missing at byte \(start)")
    }
  }

  /// - Throws: `GraftError` if the next byte is not `expected`
  mutating func expect(version expected: Int, of what: String) throws {
    let version = try byte()
    guard version == expected else { throw GraftError.unknownHDF5(version: version, of: what) }
  }

  /// - Throws: `GraftError` if the next four bytes are not the checksum of those from `start` on
  mutating func expectChecksum(from start: Int) throws {
    let (from, to) = (start, position)
    let stored = UInt32(truncatingIfNeeded: try unsigned(width: 4))
    defer { withExtendedLifetime(storage) {} }
    let bytes = UnsafeRawBufferPointer(start: storage.baseAddress + from, count: to - from)
    guard HDF5Checksum.lookup3(bytes) == stored else {
      throw GraftError.wrongHDF5Checksum(of: from..<to, at: to)
    }
  }
}

extension GraftError {
  static func damagedHDF5(_ what: String) -> GraftError {
    .badData("the HDF5 structure is damaged: \(what)", hint: "Download or copy the file again")
  }

  static func wrongHDF5Checksum(of bytes: Range<Int>, at place: Int) -> GraftError {
    .damagedHDF5(
      "the checksum of bytes \(bytes.lowerBound) to \(bytes.upperBound), at \(place), is wrong")
  }

  static func unknownHDF5(version: Int, of what: String) -> GraftError {
    .badData(
      "the HDF5 structure is damaged or too new: \(what) has the unknown version \(version)",
      hint: "Get a new copy, or write the file with h5py.File(…, libver='earliest')")
  }
}

/// - Throws: `GraftError` if the product overflows
func checkedProduct(_ factors: [Int]) throws -> Int {
  try factors.reduce(1) { product, factor in
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow, factor >= 0 else { throw GraftError.damagedHDF5("a size is too large") }
    return next
  }
}
