import GraftFiles
import GraftTensor

/// The links and attributes of objects that have many.
///
/// Its blocks follow each other in the heap's own address space. The first two rows have blocks of
/// the starting size; in each further row the block size doubles.
///
/// Source: HDF5 File Format Specification 3.0, III.G
final class HDF5FractalHeap {
  private let file: HDF5File
  private let address: Int
  private let identifierByteCount: Int
  private let hasChecksums: Bool
  private let largeObjectsAddress: Int?
  private let width: Int
  private let startByteCount: Int
  private let maximumDirectByteCount: Int
  private let offsetWidth: Int
  private let lengthWidth: Int
  private let root: (address: Int, rowCount: Int)?
  /// Blocks with a verified checksum.
  private var verified: Set<Int> = []
  private var largeObjects: [UInt64: (address: Int, byteCount: Int)]?

  init(_ file: HDF5File, address: Int) throws {
    self.file = file
    self.address = address
    let widths = file.widths
    let byteCount = 26 + 12 * widths.length + 3 * widths.address
    var reader = try file.reader(at: address, count: byteCount)
    let start = reader.position
    try reader.expect(signature: "FRHP")
    try reader.expect(version: 0, of: "a fractal heap")
    identifierByteCount = try reader.integer(width: 2)
    let filterByteCount = try reader.integer(width: 2)
    let flags = try reader.byte()
    hasChecksums = flags & 2 != 0
    let maximumManagedByteCount = try reader.integer(width: 4)
    _ = try reader.length()
    largeObjectsAddress = try reader.address()
    _ = try reader.length()
    _ = try reader.address()
    // Statistics.
    for _ in 0..<8 { _ = try reader.length() }
    width = try reader.integer(width: 2)
    startByteCount = try reader.length()
    maximumDirectByteCount = try reader.length()
    let offsetBitCount = try reader.integer(width: 2)
    try reader.skip(2)
    let rootAddress = try reader.address()
    let rowCount = try reader.integer(width: 2)
    guard filterByteCount == 0 else {
      throw GraftError.unsupported(
        "has compressed links or attributes", hint: "Copy the file with `h5repack`")
    }
    try reader.expectChecksum(from: start)
    func isPowerOfTwo(_ value: Int) -> Bool { value > 0 && value.nonzeroBitCount == 1 }
    guard isPowerOfTwo(width), isPowerOfTwo(startByteCount), isPowerOfTwo(maximumDirectByteCount),
      startByteCount <= maximumDirectByteCount, maximumDirectByteCount <= 1 << 32,
      (1...56).contains(offsetBitCount), maximumManagedByteCount > 0, identifierByteCount > 1,
      rowCount <= 64
    else { throw GraftError.damagedHDF5("the fractal heap at \(address) has invalid sizes") }
    root = rootAddress.map { ($0, rowCount) }
    offsetWidth = (offsetBitCount + 7) / 8
    lengthWidth = min(
      (maximumDirectByteCount.trailingZeroBitCount + 7) / 8,
      HDF5BTree2.width(maximumManagedByteCount))
  }

  /// The object with an identifier from a record of a B-tree.
  ///
  /// - Throws: `GraftError` if it does not exist
  func object(_ identifier: HDF5Reader) throws -> HDF5Reader {
    var reader = identifier
    guard reader.remainingByteCount >= identifierByteCount else {
      throw GraftError.damagedHDF5("an identifier of a fractal heap is too short")
    }
    reader = try reader.part(identifierByteCount)
    let head = try reader.byte()
    guard head >> 6 == 0 else {
      throw GraftError.unknownHDF5(version: head >> 6, of: "an object of a fractal heap")
    }
    switch head >> 4 & 3 {
    case 0:
      let offset = try reader.integer(width: offsetWidth)
      return try managed(offset: offset, byteCount: try reader.integer(width: lengthWidth))
    case 1: return try large(&reader)
    case 2:
      let isLong = identifierByteCount > 17
      let count = isLong ? (head & 0xf) << 8 | (try reader.byte()) : head & 0xf
      return try reader.part(count + 1)
    default: throw GraftError.damagedHDF5("an object of a fractal heap has the unknown kind 3")
    }
  }

  // MARK: Objects outside of blocks

  private func large(_ reader: inout HDF5Reader) throws -> HDF5Reader {
    let widths = file.widths
    let place: (address: Int, byteCount: Int)?
    if identifierByteCount > widths.address + widths.length {
      place = try reader.address().map { ($0, try reader.length()) }
    } else {
      let key = try reader.unsigned(width: min(8, identifierByteCount - 1))
      place = try readLargeObjects()[key]
    }
    guard let place else { throw GraftError.damagedHDF5("an object of a fractal heap is missing") }
    return try file.reader(at: place.address, count: place.byteCount)
  }

  private func readLargeObjects() throws -> [UInt64: (address: Int, byteCount: Int)] {
    if let largeObjects { return largeObjects }
    guard let largeObjectsAddress else { return [:] }
    var found: [UInt64: (address: Int, byteCount: Int)] = [:]
    try HDF5BTree2(file, address: largeObjectsAddress, .largeObjects).forEach { record in
      var record = record
      guard let address = try record.address() else { return }
      let byteCount = try record.length()
      found[try record.unsigned(width: file.widths.length)] = (address, byteCount)
    }
    largeObjects = found
    return found
  }

  // MARK: Objects in blocks

  private func managed(offset: Int, byteCount: Int) throws -> HDF5Reader {
    guard let root else { throw GraftError.damagedHDF5("a fractal heap is empty") }
    guard root.rowCount > 0 else {
      return try object(
        inBlockAt: root.address, of: startByteCount, blockOffset: 0, offset, byteCount)
    }
    var (block, blockOffset, rowCount) = (root.address, 0, root.rowCount)
    while true {
      // Rows 0 and 1 have blocks of the first size.
      let first = startByteCount * width
      let inside = offset - blockOffset
      let row = inside < first ? 0 : Int.bitWidth - (inside / first).leadingZeroBitCount
      guard row < rowCount else {
        throw GraftError.damagedHDF5("an object is outside its fractal heap")
      }
      let size = startByteCount << max(0, row - 1)
      let rowOffset = row == 0 ? 0 : first << (row - 1)
      let column = (inside - rowOffset) / size
      let child = try child(row * width + column, ofBlockAt: block, rowCount, blockOffset)
      blockOffset += rowOffset + column * size
      if size <= maximumDirectByteCount {
        return try object(
          inBlockAt: child, of: size, blockOffset: blockOffset, offset, byteCount)
      }
      // The number of rows in an indirect block follows from its size.
      let childRowCount = size.trailingZeroBitCount - first.trailingZeroBitCount + 1
      guard childRowCount > 0, childRowCount < rowCount else {
        throw GraftError.damagedHDF5("a fractal heap's blocks have inconsistent sizes")
      }
      (block, rowCount) = (child, childRowCount)
    }
  }

  /// The address of a block within an indirect block.
  private func child(
    _ index: Int, ofBlockAt address: Int, _ rowCount: Int, _ blockOffset: Int
  ) throws -> Int {
    let headByteCount = 5 + file.widths.address + offsetWidth
    let entries = rowCount * width * file.widths.address
    if !verified.contains(address) {
      var reader = try file.reader(at: address, count: headByteCount + entries + 4)
      let start = reader.position
      try expectHead(&reader, "FHIB", blockOffset)
      try reader.skip(entries)
      try reader.expectChecksum(from: start)
      verified.insert(address)
    }
    var entry = try file.reader(
      at: address, offset: headByteCount + index * file.widths.address,
      count: file.widths.address)
    guard let child = try entry.address() else {
      throw GraftError.damagedHDF5("an object is not in any block of its fractal heap")
    }
    return child
  }

  private func object(
    inBlockAt address: Int, of size: Int, blockOffset: Int, _ offset: Int, _ byteCount: Int
  ) throws -> HDF5Reader {
    let headByteCount = 5 + file.widths.address + offsetWidth
    if !verified.contains(address) {
      var reader = try file.reader(at: address, count: size)
      let start = reader.position
      try expectHead(&reader, "FHDB", blockOffset)
      if hasChecksums {
        let place = reader.position - start
        let stored = UInt32(truncatingIfNeeded: try reader.unsigned(width: 4))
        var whole = HDF5Reader(file.storage, start..<start + size, widths: file.widths)
        // The checksum was computed with zeros in its own place.
        var bytes = try whole.bytes(size)
        for index in 0..<4 { bytes[place + index] = 0 }
        guard bytes.withUnsafeBytes({ HDF5Checksum.lookup3($0) }) == stored else {
          throw GraftError.wrongHDF5Checksum(of: start..<start + size, at: start + place)
        }
      }
      verified.insert(address)
    }
    let inside = offset - blockOffset
    guard inside >= headByteCount, inside <= size, byteCount <= size - inside else {
      throw GraftError.damagedHDF5("an object is outside its heap block")
    }
    return try file.reader(at: address, offset: inside, count: byteCount)
  }

  private func expectHead(
    _ reader: inout HDF5Reader, _ signature: String, _ blockOffset: Int
  ) throws {
    try reader.expect(signature: signature)
    try reader.expect(version: 0, of: "a block of a fractal heap")
    guard try reader.address() == address,
      try reader.integer(width: offsetWidth) == blockOffset
    else { throw GraftError.damagedHDF5("a block belongs to another fractal heap") }
  }
}
