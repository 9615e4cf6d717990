import GraftFiles

/// The address of a file's root, and the widths of its numbers.
///
/// Source: HDF5 File Format Specification 3.0, II.A
struct HDF5Superblock {
  var widths = HDF5Widths()
  /// The start of the superblock, after any user block; addresses count from it.
  let baseAddress: Int
  /// The address of the root group's object header.
  let rootAddress: Int

  /// Reads the superblock at `base`, counted from the start of the file's `range`.
  ///
  /// - Throws: `GraftError` if it is damaged or of an unknown version, or if the file is truncated
  init(_ storage: Storage, _ range: Range<Int>, base: Int) throws {
    let start = range.lowerBound + base
    baseAddress = base
    var reader = HDF5Reader(storage, start..<range.upperBound, widths: widths)
    // The signature.
    try reader.skip(8)
    let version = try reader.byte()
    guard (0...3).contains(version) else {
      throw GraftError.unknownHDF5(version: version, of: "a superblock")
    }
    if version < 2 { try reader.skip(4) }
    widths.address = try HDF5Superblock.width(&reader)
    widths.length = try HDF5Superblock.width(&reader)
    var rest = HDF5Reader(storage, reader.position..<reader.end, widths: widths)
    let storedBase: Int?
    let endOfFile: Int?
    let root: Int?
    if version < 2 {
      try rest.skip(version == 0 ? 9 : 13)
      storedBase = try rest.address()
      _ = try rest.address()
      endOfFile = try rest.address()
      _ = try rest.address()
      _ = try rest.length()
      root = try rest.address()
    } else {
      let flags = try rest.byte()
      storedBase = try rest.address()
      _ = try rest.address()
      endOfFile = try rest.address()
      root = try rest.address()
      try rest.expectChecksum(from: start)
      guard version == 2 || flags & 0b101 == 0 else {
        throw GraftError.badData(
          "is open for writing, or its writer was killed",
          hint: "Close it in its writer; `h5clear -s FILE` clears a stale mark")
      }
    }
    guard let storedBase, let endOfFile, let root else {
      throw GraftError.damagedHDF5("the superblock has no root group")
    }
    rootAddress = root
    // A user block may have been added, removed or resized.
    let byteCount = endOfFile.subtractingReportingOverflow(storedBase)
    guard !byteCount.overflow, byteCount.partialValue <= range.count - base else {
      throw GraftError.badData(
        "is truncated: it needs \(byteCount.partialValue) bytes and has "
          + "\(range.count - base)",
        hint: "Download or copy the file again")
    }
  }

  private static func width(_ reader: inout HDF5Reader) throws -> Int {
    let width = try reader.byte()
    guard [2, 4, 8].contains(width) else {
      throw GraftError.damagedHDF5("numbers are \(width) bytes wide")
    }
    return width
  }
}
