import GraftFiles

/// The layout of a dataset's elements in the file.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.i
enum HDF5Layout {
  /// In the message itself.
  case compact(HDF5Reader)
  /// Contiguous; no address if nothing was written. Early versions omit the number of bytes.
  case contiguous(address: Int?, byteCount: Int?)
  case chunked(Chunked)
  /// Parts of other datasets, possibly in other files.
  case virtual

  struct Chunked {
    /// The extents of a chunk; as many as the dataset has.
    var extents: [Int]
    var elementByteCount: Int
    /// Whether filters are skipped for chunks that extend beyond the dataset.
    var hasPlainEdges = false
    var index: Index
    /// The address of the index, if any chunk was written.
    var address: Int?

    var byteCount: Int {
      get throws { try checkedProduct(extents + [elementByteCount]) }
    }
  }

  enum Index {
    case tree1
    /// One chunk; if filtered, with its size and mask.
    case single(byteCount: Int?, filterMask: Int)
    case implicit
    case fixedArray
    case extensibleArray
    case tree2
  }

  init(_ message: HDF5Reader) throws {
    var reader = message
    let version = try reader.byte()
    switch version {
    case 1, 2: self = try HDF5Layout.early(&reader, version: version)
    case 3, 4, 5: self = try HDF5Layout.late(&reader, version: version)
    default: throw GraftError.unknownHDF5(version: version, of: "a data layout")
    }
  }

  private static func early(_ reader: inout HDF5Reader, version: Int) throws -> HDF5Layout {
    let rank = try reader.byte()
    let kind = try reader.byte()
    try reader.skip(5)
    let address = kind == 0 ? nil : try reader.address()
    let extents = try (0..<rank).map { _ in try reader.integer(width: 4) }
    switch kind {
    case 0:
      let byteCount = try reader.integer(width: 4)
      return .compact(try reader.part(byteCount))
    case 1: return .contiguous(address: address, byteCount: nil)
    case 2: return .chunked(try chunked(extents, .tree1, address))
    default: throw GraftError.damagedHDF5("a data layout has the unknown kind \(kind)")
    }
  }

  private static func late(_ reader: inout HDF5Reader, version: Int) throws -> HDF5Layout {
    let kind = try reader.byte()
    switch kind {
    case 0:
      let byteCount = try reader.integer(width: 2)
      return .compact(try reader.part(byteCount))
    case 1: return .contiguous(address: try reader.address(), byteCount: try reader.length())
    case 2 where version == 3:
      let rank = try reader.byte()
      let address = try reader.address()
      let extents = try (0..<rank).map { _ in try reader.integer(width: 4) }
      return .chunked(try chunked(extents, .tree1, address))
    case 2: return .chunked(try chunked(&reader))
    case 3: return .virtual
    default: throw GraftError.damagedHDF5("a data layout has the unknown kind \(kind)")
    }
  }

  private static func chunked(_ reader: inout HDF5Reader) throws -> Chunked {
    let flags = try reader.byte()
    let rank = try reader.byte()
    let width = try reader.byte()
    guard (1...8).contains(width) else {
      throw GraftError.damagedHDF5("chunk extents are \(width) bytes wide")
    }
    let extents = try (0..<rank).map { _ in try reader.integer(width: width) }
    let kind = try reader.byte()
    let index: Index
    switch kind {
    case 1:
      let isFiltered = flags & 2 != 0
      index = .single(
        byteCount: isFiltered ? try reader.length() : nil,
        filterMask: isFiltered ? try reader.integer(width: 4) : 0)
    case 2: index = .implicit
    // The other parameters are also in the indices' own headers.
    case 3:
      try reader.skip(1)
      index = .fixedArray
    case 4:
      try reader.skip(5)
      index = .extensibleArray
    case 5:
      try reader.skip(6)
      index = .tree2
    default: throw GraftError.damagedHDF5("a chunk index has the unknown kind \(kind)")
    }
    var layout = try chunked(extents, index, try reader.address())
    layout.hasPlainEdges = flags & 1 != 0
    return layout
  }

  /// - Parameter extents: the extents of a chunk, and the bytes of an element
  private static func chunked(
    _ extents: [Int], _ index: Index, _ address: Int?
  ) throws -> Chunked {
    guard extents.count > 1, extents.allSatisfy({ $0 > 0 }) else {
      throw GraftError.damagedHDF5("chunks have extents \(extents)")
    }
    return Chunked(
      extents: Array(extents.dropLast()), elementByteCount: extents[extents.count - 1],
      index: index, address: address)
  }
}
