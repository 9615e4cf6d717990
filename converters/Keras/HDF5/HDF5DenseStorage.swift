import GraftFiles

/// The storage of many links or attributes of one object: a fractal heap, and a B-tree of the
/// names.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.c and IV.A.2.v
struct HDF5DenseStorage {
  private let heapAddress: Int
  private let treeAddress: Int

  /// `nil` if the messages are in the object's header.
  ///
  /// - Parameter orderByteCount: the bytes of the highest creation order, where it is stored
  init?(_ info: HDF5Reader, orderByteCount: Int) throws {
    var reader = info
    try reader.expect(version: 0, of: "the information about links or attributes")
    let flags = try reader.byte()
    if flags & 1 != 0 { try reader.skip(orderByteCount) }
    guard let heap = try reader.address() else { return nil }
    guard let tree = try reader.address() else {
      throw GraftError.damagedHDF5("links or attributes in a heap have no index")
    }
    (heapAddress, treeAddress) = (heap, tree)
  }

  /// Calls `body` with each message.
  func forEach(
    _ file: HDF5File, _ kind: HDF5BTree2.Kind, _ body: (HDF5Reader) throws -> Void
  ) throws {
    let heap = try HDF5FractalHeap(file, address: heapAddress)
    try HDF5BTree2(file, address: treeAddress, kind).forEach { record in
      var identifier = record
      if kind == .linkNames {
        // The hash of the name.
        try identifier.skip(4)
      } else {
        // The message's flags follow the identifier.
        var flags = record
        try flags.skip(8)
        guard try flags.byte() & 2 == 0 else {
          throw GraftError.unsupported(
            "has attributes in a shared table", hint: "Copy the file with `h5repack`")
        }
      }
      try body(heap.object(identifier))
    }
  }
}
