import GraftFiles

/// An HDF5 file in memory, mostly a mapped one, whose structure is read when it is asked for.
///
/// It reads what h5py and Keras write: superblocks 0 to 3, groups of both kinds, attributes, and
/// data sets that are compact, contiguous or chunked. Nothing outside of the file is opened. All
/// that a file can ask for is bounded by ``HDF5Limits``. One thread at a time may use it, and what
/// came from it.
///
/// Source: HDF5 File Format Specification 3.0, <https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html>
package final class HDF5File {
  let storage: Storage
  let limits: HDF5Limits
  private let range: Range<Int>
  private let superblock: HDF5Superblock
  /// Bytes of structure that were read; what is read twice counts twice.
  private var structureByteCount = 0
  /// Bytes of elements that were decoded or converted.
  private var decodedByteCount = 0
  /// What is needed again and again, by addresses.
  private var linksByGroup: [Int: HDF5NameTable<HDF5Link>] = [:]
  private var globalHeaps: [Int: HDF5GlobalHeap] = [:]

  /// Reads the superblock.
  ///
  /// - Parameters:
  ///   - contents: the whole file, or something that holds it
  ///   - range: where the file lies in `contents`; `nil` for all of it
  /// - Throws: `GraftError` if it is no HDF5 file, or one that is damaged or cut off.
  package init(contents: Storage, range: Range<Int>? = nil) throws {
    let range = range ?? 0..<contents.byteCount
    guard range.lowerBound >= 0, range.upperBound <= contents.byteCount else {
      throw GraftError.badData("bytes \(range) do not lie in \(contents.byteCount) bytes")
    }
    defer { withExtendedLifetime(contents) {} }
    let bytes = UnsafeRawBufferPointer(
      start: contents.baseAddress + range.lowerBound, count: range.count)
    guard let base = FileKind.hdf5Superblock(in: bytes) else {
      throw GraftError.badData("is no HDF5 file")
    }
    storage = contents
    self.range = range
    limits = HDF5Limits(fileByteCount: range.count)
    superblock = try HDF5Superblock(contents, range, base: base)
  }

  package var byteCount: Int { range.count }

  /// The group that holds all others.
  ///
  /// - Throws: `GraftError` if it is damaged.
  package func root() throws -> HDF5Object {
    let root = try HDF5Object(self, address: superblock.rootAddress)
    guard root.kind == .group else { throw GraftError.damagedHDF5("the root is no group") }
    return root
  }

  // MARK: Access

  /// Bytes that lie `offset` behind an address, counted as structure.
  ///
  /// - Throws: `GraftError` if they do not lie in the file, or if the limit is reached.
  func reader(at address: Int, offset: Int = 0, count: Int) throws -> HDF5Reader {
    let reader = try elements(at: address, offset: offset, count: count)
    try countStructure(count)
    return reader
  }

  /// As ``reader(at:offset:count:)``, but not counted.
  func elements(at start: Int, offset: Int = 0, count: Int) throws -> HDF5Reader {
    let space = range.count - superblock.baseAddress
    let (address, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, address >= 0, count >= 0, address <= space, count <= space - address else {
      throw GraftError.damagedHDF5(
        "\(count) bytes at address \(address) lie outside of the file's \(space) bytes")
    }
    let place = range.lowerBound + superblock.baseAddress + address
    return HDF5Reader(storage, place..<place + count, widths: superblock.widths)
  }

  var widths: HDF5Widths { superblock.widths }

  /// Counts bytes of structure that are going to be read or kept.
  func countStructure(_ count: Int) throws {
    structureByteCount += min(count, 1 << 48)
    guard structureByteCount <= limits.structureByteCount else {
      throw GraftError.damagedHDF5("its parts refer to each other without an end")
    }
  }

  /// Counts bytes that are going to be decoded.
  func countDecoded(_ count: Int) throws {
    let (total, overflow) = decodedByteCount.addingReportingOverflow(count)
    guard !overflow, total <= limits.decodedByteCount else {
      throw GraftError.badData(
        "decodes to more than \(limits.decodedByteCount) bytes, too many for a file of "
          + "\(range.count) bytes")
    }
    decodedByteCount = total
  }

  func links(ofGroupAt address: Int, _ make: () throws -> HDF5NameTable<HDF5Link>) throws
    -> HDF5NameTable<HDF5Link>
  {
    if let known = linksByGroup[address] { return known }
    let links = try make()
    linksByGroup[address] = links
    return links
  }

  func globalHeap(at address: Int) throws -> HDF5GlobalHeap {
    if let known = globalHeaps[address] { return known }
    let heap = try HDF5GlobalHeap(self, address: address)
    globalHeaps[address] = heap
    return heap
  }
}
