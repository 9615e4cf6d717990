import GraftFiles
import GraftTensor

/// A small named value of a group or a dataset.
package struct HDF5Attribute {
  package let name: String
  package let type: HDF5Datatype
  /// `nil` for an attribute with a type but no value.
  package let shape: Shape?
  private let elements: HDF5Elements?

  /// The numbers or strings.
  ///
  /// - Throws: `GraftError` if there is no value, or one of another type
  package func tensor() throws -> Tensor {
    try withPlace("attribute '\(name)'") {
      guard let elements else { throw GraftError.badData("has no value") }
      return try elements.tensor()
    }
  }

  /// The strings; `nil` for other values, and for empty lists, which have no type of their own.
  ///
  /// - Throws: `GraftError` if the value is damaged
  package func strings() throws -> [String]? {
    try withPlace("attribute '\(name)'") {
      guard let elements, elements.shape.elementCount > 0 else { return [] }
      return try elements.strings()
    }
  }
}

extension HDF5Attribute {
  /// Source: HDF5 File Format Specification 3.0, IV.A.2.m
  init(_ message: HDF5Reader, file: HDF5File) throws {
    var reader = message
    let version = try reader.byte()
    guard (1...3).contains(version) else {
      throw GraftError.unknownHDF5(version: version, of: "an attribute")
    }
    let flags = try reader.byte()
    let nameByteCount = try reader.integer(width: 2)
    let typeByteCount = try reader.integer(width: 2)
    let spaceByteCount = try reader.integer(width: 2)
    if version == 3 { try reader.skip(1) }
    func part(_ byteCount: Int) throws -> HDF5Reader {
      let start = reader.position
      let part = try reader.part(byteCount)
      if version == 1 { try reader.align(from: start) }
      return part
    }
    var nameReader = try part(nameByteCount)
    let name = try nameReader.zeroTerminatedString()
    self.name = name
    let typeMessage = try part(typeByteCount)
    let spaceMessage = try part(spaceByteCount)
    // Flags of versions 2 and 3: whether type and space are stored elsewhere.
    let sharing = version == 1 ? 0 : flags
    (type, shape, elements) = try withPlace("attribute '\(name)'") {
      let type = try HDF5Datatype(
        sharing & 1 == 0
          ? typeMessage
          : HDF5ObjectHeader.shared(typeMessage, kind: .datatype, file: file))
      let space = try HDF5Dataspace(
        sharing & 2 == 0
          ? spaceMessage
          : HDF5ObjectHeader.shared(spaceMessage, kind: .dataspace, file: file))
      let elements = try space.shape.map {
        try HDF5Elements(file, type, shape: $0, bytes: reader)
      }
      return (type, space.shape, elements)
    }
  }

  /// The attributes of an object.
  ///
  /// - Throws: `GraftError` if they are damaged or too many
  static func all(
    of header: HDF5ObjectHeader, in file: HDF5File
  ) throws -> HDF5NameTable<HDF5Attribute> {
    var attributes: [HDF5Attribute] = []
    func add(_ message: HDF5Reader) throws {
      guard attributes.count < file.limits.objectCount else {
        throw GraftError.badData("has too many attributes")
      }
      attributes.append(try HDF5Attribute(message, file: file))
    }
    for message in header.messages where message.kind == .attribute {
      try add(header.body(of: message))
    }
    if let info = try header.first(.attributeInfo) {
      try HDF5DenseStorage(info, orderByteCount: 2)?.forEach(file, .attributeNames, add)
    }
    return try HDF5NameTable(attributes.map { ($0.name, $0) })
  }
}
