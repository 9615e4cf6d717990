import GraftFiles

/// A group, a dataset or a named type of an HDF5 file.
package struct HDF5Object {
  package enum Kind {
    case group
    case dataset
    case other
  }

  let file: HDF5File
  let header: HDF5ObjectHeader
  /// The same for all links to the object.
  package let address: Int
  package let kind: Kind

  init(_ file: HDF5File, address: Int) throws {
    self.file = file
    self.address = address
    header = try HDF5ObjectHeader(file, address: address)
    let kinds = Set(header.messages.lazy.map(\.kind))
    if kinds.contains(.datatype) && kinds.contains(.dataspace) {
      kind = .dataset
    } else if kinds.contains(.symbolTable) || kinds.contains(.linkInfo) {
      kind = .group
    } else {
      kind = .other
    }
  }

  /// The attributes, by name.
  ///
  /// - Throws: `GraftError` if they are damaged
  package func attributes() throws -> HDF5NameTable<HDF5Attribute> {
    try HDF5Attribute.all(of: header, in: file)
  }

  /// The links of a group, by name; empty for other objects.
  ///
  /// - Throws: `GraftError` if they are damaged
  package func links() throws -> HDF5NameTable<HDF5Link> {
    guard kind == .group else { return try HDF5NameTable([]) }
    return try file.links(ofGroupAt: address) { try HDF5Link.all(of: header, in: file) }
  }

  /// This object as a dataset.
  ///
  /// - Throws: `GraftError` if it is not one, or damaged
  package func dataset() throws -> HDF5Dataset { try HDF5Dataset(header, in: file) }

  /// The object at a path such as `dense/kernel:0`, from this group or, with a leading slash, from
  /// the root. Soft links are followed.
  ///
  /// - Throws: `GraftError` if a link leads out of the file
  /// - Returns: `nil` if it does not exist
  package func member(_ path: String) throws -> HDF5Object? {
    var softLinkCount = 0
    return try member(path, &softLinkCount)
  }

  private func member(_ path: String, _ softLinkCount: inout Int) throws -> HDF5Object? {
    var object = path.utf8.first == UInt8(ascii: "/") ? try file.root() : self
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      let name = String(decoding: part, as: UTF8.self)
      if name == "." { continue }
      guard let link = try object.links()[name] else { return nil }
      switch link.target {
      case .hard(let address): object = try HDF5Object(file, address: address)
      case .soft(let path):
        softLinkCount += 1
        guard softLinkCount <= file.limits.softLinkCount else {
          throw GraftError.badData("the link '\(name)' goes through too many other links")
        }
        guard let target = try object.member(path, &softLinkCount) else { return nil }
        object = target
      case .elsewhere: throw HDF5Object.leadsOut.at("'\(path)'")
      }
    }
    return object
  }

  static let leadsOut = GraftError.badData(
    "is a link to another file", hint: "Put the weights into one file")
}
