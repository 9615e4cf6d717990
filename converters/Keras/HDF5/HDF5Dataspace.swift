import GraftFiles
import GraftTensor

/// The extents of a dataset or an attribute.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.b
struct HDF5Dataspace {
  static let maximumRank = 32

  /// `nil` for a null dataspace, which has no elements, not even a scalar.
  let shape: Shape?
  /// The extents that the dataset may grow to; `nil` for unlimited.
  let maximumExtents: [Int?]

  init(_ message: HDF5Reader) throws {
    var reader = message
    let version = try reader.byte()
    guard version == 1 || version == 2 else {
      throw GraftError.unknownHDF5(version: version, of: "a dataspace")
    }
    let rank = try reader.byte()
    let flags = try reader.byte()
    let type = version == 1 ? (rank == 0 ? 0 : 1) : try reader.byte()
    if version == 1 { try reader.skip(5) }
    guard rank <= HDF5Dataspace.maximumRank, type <= 2, type == 1 || rank == 0 else {
      throw GraftError.damagedHDF5("a dataspace of kind \(type) and rank \(rank)")
    }
    guard type != 2 else {
      shape = nil
      maximumExtents = []
      return
    }
    let shape = try (0..<rank).map { _ in try reader.length() }
    self.shape = shape
    let unlimited: UInt64 =
      reader.widths.length == 8 ? .max : 1 << UInt64(8 * reader.widths.length) - 1
    maximumExtents =
      flags & 1 == 0
      ? shape
      : try (0..<rank).map { _ in
        let extent = try reader.unsigned(width: reader.widths.length)
        // Other extents beyond `Int` cannot be reached either.
        return extent == unlimited ? nil : Int(clamping: extent)
      }
  }
}
