import GraftFiles

/// An HDF5 file in memory, usually mapped, whose structure is read on demand.
///
/// It reads the forms that h5py and Keras write: superblocks 0 to 3, both kinds of groups,
/// attributes, and compact, contiguous or chunked datasets. It opens no other files. ``HDF5Limits``
/// bounds the work that a file can cause. Only one thread at a time may use it and the objects that
/// it returns.
///
/// Source: HDF5 File Format Specification 3.0, <https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html>
package final class HDF5File {
  let storage: Storage
  let limits: HDF5Limits
  private let range: Range<Int>
  private let superblock: HDF5Superblock
  /// Bytes of structure that were read, counted each time.
  private var structureByteCount = 0
  /// Bytes of elements that were decoded or converted.
  private var decodedByteCount = 0
  /// The links of each group that was read, by address.
  private var linksByGroup: [Int: HDF5NameTable<HDF5Link>] = [:]
  private var globalHeaps: [Int: HDF5GlobalHeap] = [:]

  /// Reads the superblock.
  ///
  /// - Parameters:
  ///   - contents: the file, or a memory area that contains it
  ///   - range: the file's range in `contents`; `nil` for all of it
  /// - Throws: `GraftError` if it is not an HDF5 file, or a damaged or truncated one
  package init(contents: Storage, range: Range<Int>? = nil) throws {
    let range = range ?? 0..<contents.byteCount
    guard range.lowerBound >= 0, range.upperBound <= contents.byteCount else {
      throw GraftError.badData("bytes \(range) are not within the \(contents.byteCount) bytes")
    }
    defer { withExtendedLifetime(contents) {} }
    let bytes = UnsafeRawBufferPointer(
      start: contents.baseAddress + range.lowerBound, count: range.count)
    guard let base = FileKind.hdf5Superblock(in: bytes) else {
      throw GraftError.badData("is not an HDF5 file")
    }
    storage = contents
    self.range = range
    limits = HDF5Limits(fileByteCount: range.count)
    superblock = try HDF5Superblock(contents, range, base: base)
  }

  package var byteCount: Int { range.count }

  /// The root group.
  ///
  /// - Throws: `GraftError` if it is damaged
  package func root() throws -> HDF5Object {
    let root = try HDF5Object(self, address: superblock.rootAddress)
    guard root.kind == .group else { throw GraftError.damagedHDF5("the root is not a group") }
    return root
  }

  // MARK: Access

  /// The bytes `offset` after an address, counted as structure.
  ///
  /// - Throws: `GraftError` if they are outside the file, or if the limit is reached
  func reader(at address: Int, offset: Int = 0, count: Int) throws -> HDF5Reader {
    let reader = try elements(at: address, offset: offset, count: count)
    try countStructure(count)
    return reader
  }

  /// Like ``reader(at:offset:count:)``, but not counted.
  func elements(at start: Int, offset: Int = 0, count: Int) throws -> HDF5Reader {
    let space = range.count - superblock.baseAddress
    let (address, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, address >= 0, count >= 0, address <= space, count <= space - address else {
      throw GraftError.damagedHDF5(
        "\(count) bytes at address \(address) are outside the file's \(space) bytes")
    }
    let place = range.lowerBound + superblock.baseAddress + address
    return HDF5Reader(storage, place..<place + count, widths: superblock.widths)
  }

  var widths: HDF5Widths { superblock.widths }

  /// Counts bytes of structure before they are read or kept.
  func countStructure(_ count: Int) throws {
    structureByteCount += min(count, 1 << 48)
    guard structureByteCount <= limits.structureByteCount else {
      throw GraftError.damagedHDF5("its parts refer to each other endlessly")
    }
  }

  /// Counts bytes before they are decoded.
  func countDecoded(_ count: Int) throws {
    let (total, overflow) = decodedByteCount.addingReportingOverflow(count)
    guard !overflow, total <= limits.decodedByteCount else {
      throw GraftError.badData(
        "decodes to more than \(limits.decodedByteCount) bytes, too much for a file of "
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
