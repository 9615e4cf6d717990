import GraftFiles

/// The index of chunks of a dataset that cannot grow, with an entry for each.
///
/// Source: HDF5 File Format Specification 3.0, VII.C
struct HDF5FixedArray {
  private let file: HDF5File
  private let entryByteCount: Int
  private let entryCount: Int
  private let pageEntryCount: Int
  /// The address of the block of entries, if any.
  private let block: Int?
  private let headByteCount: Int
  private var hasReadBlock = false
  private var readPages: Set<Int> = []

  init(_ file: HDF5File, address: Int) throws {
    self.file = file
    let widths = file.widths
    var reader = try file.reader(at: address, count: 12 + widths.length + widths.address)
    let start = reader.position
    try reader.expect(signature: "FAHD")
    try reader.expect(version: 0, of: "a fixed array")
    try reader.skip(1)
    entryByteCount = try reader.byte()
    let pageBits = try reader.byte()
    entryCount = try reader.length()
    block = try reader.address()
    try reader.expectChecksum(from: start)
    guard entryByteCount >= widths.address, (1...32).contains(pageBits), entryCount <= 1 << 48
    else { throw GraftError.damagedHDF5("the fixed array at \(address) has invalid sizes") }
    pageEntryCount = 1 << pageBits
    headByteCount = 6 + widths.address
  }

  private var isPaged: Bool { entryCount > pageEntryCount }
  private var pageCount: Int { (entryCount + pageEntryCount - 1) / pageEntryCount }
  private var bitmapByteCount: Int { isPaged ? (pageCount + 7) / 8 : 0 }

  /// The entry with a number; `nil` if it was never written.
  ///
  /// - Throws: `GraftError` if the number is too large, or the entry is damaged
  mutating func entry(_ number: Int) throws -> HDF5Reader? {
    guard let block else { return nil }
    guard number < entryCount else {
      throw GraftError.damagedHDF5("chunk \(number) has no entry in a fixed array")
    }
    try readBlock(block)
    guard isPaged else {
      return try file.reader(
        at: block, offset: headByteCount + number * entryByteCount, count: entryByteCount)
    }
    let page = number / pageEntryCount
    var bits = try file.reader(at: block, offset: headByteCount + page / 8, count: 1)
    guard try bits.byte() & (0x80 >> (page % 8)) != 0 else { return nil }
    let pageOffset =
      headByteCount + bitmapByteCount + 4 + page * (pageEntryCount * entryByteCount + 4)
    if !readPages.contains(page) {
      let count = min(pageEntryCount, entryCount - page * pageEntryCount) * entryByteCount
      var reader = try file.reader(at: block, offset: pageOffset, count: count + 4)
      let start = reader.position
      try reader.skip(count)
      try reader.expectChecksum(from: start)
      readPages.insert(page)
    }
    return try file.reader(
      at: block, offset: pageOffset + number % pageEntryCount * entryByteCount,
      count: entryByteCount)
  }

  private mutating func readBlock(_ block: Int) throws {
    guard !hasReadBlock else { return }
    let count = headByteCount + (isPaged ? bitmapByteCount : entryCount * entryByteCount)
    var reader = try file.reader(at: block, count: count + 4)
    let start = reader.position
    try reader.expect(signature: "FADB")
    try reader.expect(version: 0, of: "a fixed array block")
    try reader.skip(count - 5)
    try reader.expectChecksum(from: start)
    hasReadBlock = true
  }
}
