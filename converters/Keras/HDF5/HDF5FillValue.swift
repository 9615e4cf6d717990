import GraftFiles

/// The value of elements that were never written.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.e and IV.A.2.f
enum HDF5FillValue {
  /// The bytes of one element; empty for zeros.
  static func bytes(of header: HDF5ObjectHeader) throws -> [UInt8] {
    if var reader = try header.first(.fillValue) {
      let version = try reader.byte()
      switch version {
      case 1, 2:
        try reader.skip(2)
        guard try reader.byte() != 0 else { return [] }
      case 3: guard try reader.byte() & 0x20 != 0 else { return [] }
      default: throw GraftError.unknownHDF5(version: version, of: "a fill value")
      }
      return try reader.bytes(reader.integer(width: 4))
    }
    guard var reader = try header.first(.oldFillValue) else { return [] }
    return try reader.bytes(reader.integer(width: 4))
  }
}
