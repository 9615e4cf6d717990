import GraftFiles
import GraftOperators

/// The index of chunks of a dataset that can grow along one axis.
///
/// The first entries are in the index block, the others in blocks of growing sizes. Level n has
/// 2^(n/2) blocks; each has 2^((n+1)/2) times the smallest number of entries (halves rounded down).
/// The index block lists the blocks of the first levels. A secondary block lists those of each
/// further level.
///
/// Source: HDF5 File Format Specification 3.0, VII.D
struct HDF5ExtensibleArray {
  private let file: HDF5File
  private let entryByteCount: Int
  private let numberByteCount: Int
  private let indexEntryCount: Int
  private let smallestEntryCount: Int
  private let pageEntryCount: Int
  private let levelCount: Int
  /// The number of levels whose blocks the index block lists.
  private let directLevelCount: Int
  private let indexBlock: Int?
  private var readBlocks: Set<Int> = []

  private static let numberBitLimit = 48
  /// Larger arrays would need entry numbers with too many bits.
  private static let numberLimit = 1 << numberBitLimit

  init(_ file: HDF5File, address: Int) throws {
    self.file = file
    let widths = file.widths
    var reader = try file.reader(at: address, count: 16 + 6 * widths.length + widths.address)
    let start = reader.position
    try reader.expect(signature: "EAHD")
    try reader.expect(version: 0, of: "an extensible array")
    try reader.skip(1)
    entryByteCount = try reader.byte()
    let numberBits = try reader.byte()
    indexEntryCount = try reader.byte()
    smallestEntryCount = try reader.byte()
    let smallestBlockCount = try reader.byte()
    let pageBits = try reader.byte()
    // Statistics.
    for _ in 0..<6 { _ = try reader.length() }
    indexBlock = try reader.address()
    try reader.expectChecksum(from: start)
    func isPowerOfTwo(_ value: Int) -> Bool { value > 0 && value.nonzeroBitCount == 1 }
    guard entryByteCount >= widths.address,
      (1...HDF5ExtensibleArray.numberBitLimit).contains(numberBits),
      isPowerOfTwo(smallestEntryCount), isPowerOfTwo(smallestBlockCount),
      smallestEntryCount.trailingZeroBitCount <= numberBits, (1...32).contains(pageBits)
    else { throw GraftError.damagedHDF5("the extensible array at \(address) has invalid sizes") }
    numberByteCount = (numberBits + 7) / 8
    pageEntryCount = 1 << pageBits
    levelCount = 1 + numberBits - smallestEntryCount.trailingZeroBitCount
    directLevelCount = min(levelCount, 2 * smallestBlockCount.trailingZeroBitCount)
  }

  private struct Level {
    let index: Int
    let smallestEntryCount: Int
    var blockCount: Int { 1 << (index / 2) }
    /// The entries of one block of the level.
    var entryCount: Int { smallestEntryCount << ((index + 1) / 2) }
    /// The entries of all lower levels.
    var firstEntry: Int { ((1 << index) - 1) * smallestEntryCount }
    /// The blocks of all lower levels.
    var firstBlock: Int { (0..<index).reduce(0) { $0 + 1 << ($1 / 2) } }
  }

  private func level(_ index: Int) -> Level {
    Level(index: index, smallestEntryCount: smallestEntryCount)
  }

  /// The entry with a number; `nil` if it was never written.
  ///
  /// - Throws: `GraftError` if the number is too large, or the entry is damaged
  mutating func entry(_ number: Int) throws -> HDF5Reader? {
    guard let indexBlock else { return nil }
    guard number < HDF5ExtensibleArray.numberLimit else { throw missing(number) }
    let headByteCount = 6 + file.widths.address
    let directBlockCount = level(directLevelCount).firstBlock
    let addressCount = directBlockCount + levelCount - directLevelCount
    let addressesOffset = headByteCount + indexEntryCount * entryByteCount
    try readBlock(
      indexBlock, "EAIB",
      byteCount: addressesOffset + addressCount * file.widths.address)
    guard number >= indexEntryCount else {
      return try file.reader(
        at: indexBlock, offset: headByteCount + number * entryByteCount, count: entryByteCount)
    }
    let behind = number - indexEntryCount
    let quotient = behind / smallestEntryCount + 1
    let level = level(Int.bitWidth - 1 - quotient.leadingZeroBitCount)
    guard level.index < levelCount else { throw missing(number) }
    let inside = behind - level.firstEntry
    let block = inside / level.entryCount
    if level.index < directLevelCount {
      guard
        let address = try address(
          indexBlock, addressesOffset + (level.firstBlock + block) * file.widths.address)
      else { return nil }
      return try entry(inside % level.entryCount, ofBlockAt: address, level)
    }
    let place = directBlockCount + level.index - directLevelCount
    guard
      let levelBlock = try address(indexBlock, addressesOffset + place * file.widths.address)
    else { return nil }
    return try entry(inside, of: level, listedAt: levelBlock)
  }

  private func missing(_ number: Int) -> GraftError {
    .damagedHDF5("chunk \(number) has no entry in an extensible array")
  }

  private mutating func entry(
    _ inside: Int, of level: Level, listedAt levelBlock: Int
  ) throws -> HDF5Reader? {
    let headByteCount = 6 + file.widths.address + numberByteCount
    let pageCount = level.entryCount / pageEntryCount
    let isPaged = level.entryCount > pageEntryCount
    let bitmapByteCount = isPaged ? level.blockCount * ((pageCount + 7) / 8) : 0
    try readBlock(
      levelBlock, "EASB",
      byteCount: headByteCount + bitmapByteCount + level.blockCount * file.widths.address)
    let block = inside / level.entryCount
    let rest = inside % level.entryCount
    guard
      let address = try address(
        levelBlock, headByteCount + bitmapByteCount + block * file.widths.address)
    else { return nil }
    guard isPaged else { return try entry(rest, ofBlockAt: address, level) }
    let page = rest / pageEntryCount
    let bit = block * pageCount + page
    var bits = try file.reader(at: levelBlock, offset: headByteCount + bit / 8, count: 1)
    guard try bits.byte() & (0x80 >> (bit % 8)) != 0 else { return nil }
    try readBlock(address, "EADB", byteCount: headByteCount)
    let pageByteCount = pageEntryCount * entryByteCount
    let pageOffset = headByteCount + 4 + page * (pageByteCount + 4)
    try readBlock(address, offset: pageOffset, nil, byteCount: pageByteCount)
    return try file.reader(
      at: address, offset: pageOffset + rest % pageEntryCount * entryByteCount,
      count: entryByteCount)
  }

  private mutating func entry(
    _ index: Int, ofBlockAt address: Int, _ level: Level
  ) throws -> HDF5Reader {
    let headByteCount = 6 + file.widths.address + numberByteCount
    try readBlock(
      address, "EADB", byteCount: headByteCount + level.entryCount * entryByteCount)
    return try file.reader(
      at: address, offset: headByteCount + index * entryByteCount, count: entryByteCount)
  }

  private func address(_ block: Int, _ offset: Int) throws -> Int? {
    var reader = try file.reader(at: block, offset: offset, count: file.widths.address)
    return try reader.address()
  }

  /// Checks a block, or a page of one, on first use.
  private mutating func readBlock(
    _ address: Int, offset: Int = 0, _ signature: String?, byteCount: Int
  ) throws {
    var reader = try file.elements(at: address, offset: offset, count: byteCount + 4)
    let start = reader.position
    guard !readBlocks.contains(start) else { return }
    try file.countStructure(byteCount)
    if let signature {
      try reader.expect(signature: signature)
      try reader.expect(version: 0, of: "a block of an extensible array")
      try reader.skip(byteCount - 5)
    } else {
      try reader.skip(byteCount)
    }
    try reader.expectChecksum(from: start)
    readBlocks.insert(start)
  }
}
