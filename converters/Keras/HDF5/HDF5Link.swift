import GraftFiles

/// A name in a group, and its target.
package struct HDF5Link {
  package enum Target: Equatable {
    /// An object in this file, by the address of its header.
    case hard(address: Int)
    /// A path in this file, from the root if it starts with a slash, otherwise from the group.
    case soft(path: String)
    /// Another file, or a user-defined link. Neither is followed.
    case elsewhere
  }

  package let name: String
  package let target: Target
}

extension HDF5Link {
  /// Source: HDF5 File Format Specification 3.0, IV.A.2.g
  init(_ message: HDF5Reader) throws {
    var reader = message
    try reader.expect(version: 1, of: "a link")
    let flags = try reader.byte()
    let type = flags & 8 == 0 ? 0 : try reader.byte()
    if flags & 4 != 0 { try reader.skip(8) }
    if flags & 0x10 != 0 { try reader.skip(1) }
    let byteCount = try reader.integer(width: 1 << (flags & 3))
    name = try reader.string(byteCount)
    switch type {
    case 0:
      guard let address = try reader.address() else {
        throw GraftError.damagedHDF5("the link '\(name)' has no target")
      }
      target = .hard(address: address)
    case 1:
      let byteCount = try reader.integer(width: 2)
      target = .soft(path: try reader.string(byteCount))
    default: target = .elsewhere
    }
  }

  /// The links of a group.
  ///
  /// - Throws: `GraftError` if they are damaged or too many
  static func all(
    of header: HDF5ObjectHeader, in file: HDF5File
  ) throws -> HDF5NameTable<HDF5Link> {
    var links: [HDF5Link] = []
    func add(_ link: HDF5Link) throws {
      guard links.count < file.limits.objectCount else {
        throw GraftError.badData("has too many objects")
      }
      links.append(link)
    }
    if let table = try header.first(.symbolTable) {
      try HDF5SymbolTable(file, table).forEach(add)
    }
    for message in header.messages where message.kind == .link {
      try add(HDF5Link(header.body(of: message)))
    }
    if let info = try header.first(.linkInfo) {
      try HDF5DenseStorage(info, orderByteCount: 8)?.forEach(file, .linkNames) {
        try add(HDF5Link($0))
      }
    }
    return try HDF5NameTable(links.map { ($0.name, $0) })
  }
}
