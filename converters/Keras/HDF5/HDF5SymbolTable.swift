import GraftFiles

/// The links of a group in the format of early HDF5, which is h5py's default.
///
/// Source: HDF5 File Format Specification 3.0, III.B to III.D
struct HDF5SymbolTable {
  private let file: HDF5File
  private let treeAddress: Int
  /// The heap of the names.
  private let names: HDF5Reader

  init(_ file: HDF5File, _ message: HDF5Reader) throws {
    self.file = file
    var reader = message
    guard let tree = try reader.address(), let heap = try reader.address() else {
      throw GraftError.damagedHDF5("a group has no symbol table")
    }
    treeAddress = tree
    var head = try file.reader(
      at: heap, count: 8 + 2 * file.widths.length + file.widths.address)
    try head.expect(signature: "HEAP")
    try head.expect(version: 0, of: "a local heap")
    try head.skip(3)
    let byteCount = try head.length()
    _ = try head.length()
    guard let address = try head.address() else {
      throw GraftError.damagedHDF5("a local heap has no data")
    }
    names = try file.reader(at: address, count: byteCount)
  }

  func forEach(_ body: (HDF5Link) throws -> Void) throws {
    let entryByteCount = file.widths.length + file.widths.address + 24
    try HDF5BTree1.forEach(
      file, root: treeAddress, .group, keyByteCount: file.widths.length
    ) { _, address in
      var head = try file.reader(at: address, count: 8)
      try head.expect(signature: "SNOD")
      try head.expect(version: 1, of: "a symbol table")
      try head.skip(1)
      let count = try head.integer(width: 2)
      var entries = try file.reader(at: address, offset: 8, count: count * entryByteCount)
      for _ in 0..<count { try body(link(entries.part(entryByteCount))) }
    }
  }

  private func link(_ entry: HDF5Reader) throws -> HDF5Link {
    var reader = entry
    let name = try text(at: reader.length())
    let address = try reader.address()
    let type = try reader.integer(width: 4)
    try reader.skip(4)
    if type == 2 {
      return HDF5Link(name: name, target: .soft(path: try text(at: reader.integer(width: 4))))
    }
    guard let address else { throw GraftError.damagedHDF5("the link '\(name)' has no target") }
    return HDF5Link(name: name, target: .hard(address: address))
  }

  private func text(at offset: Int) throws -> String {
    var reader = names
    try reader.skip(offset)
    let start = reader.position
    let text = try reader.zeroTerminatedString()
    // Many entries may share one name.
    try file.countStructure(reader.position - start)
    return text
  }
}
