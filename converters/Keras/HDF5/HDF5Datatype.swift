import GraftFiles
import GraftTensor

/// The type of an element of a dataset or an attribute.
///
/// Source: HDF5 File Format Specification 3.0, IV.A.2.d
package indirect enum HDF5Datatype: Sendable, Equatable {
  package enum Padding: Int, Sendable {
    case zeroTerminated = 0
    case zeroPadded = 1
    case spacePadded = 2
  }

  /// A number, or an enumeration of numbers.
  case number(ElementType, isBigEndian: Bool)
  case string(byteCount: Int, padding: Padding)
  case variableString(byteCount: Int)
  case array(HDF5Datatype, Shape)
  /// Bytes with a meaning that only the writer knows.
  case opaque(byteCount: Int, tag: String)
  /// A type that no tensor can hold.
  case other(name: String, byteCount: Int)

  init(_ message: HDF5Reader) throws {
    var reader = message
    self = try HDF5Datatype.read(&reader, depth: 0)
  }

  /// The bytes of one element in the file.
  var byteCount: Int {
    get throws {
      switch self {
      case .number(let elementType, _): elementType.byteWidth
      case .string(let byteCount, _), .variableString(let byteCount), .opaque(let byteCount, _),
        .other(_, let byteCount):
        byteCount
      case .array(let base, let shape): try checkedProduct(shape + [base.byteCount])
      }
    }
  }

  private static func read(_ reader: inout HDF5Reader, depth: Int) throws -> HDF5Datatype {
    guard depth < 8 else { throw GraftError.damagedHDF5("types are nested too deep") }
    let head = try reader.byte()
    let (kind, version) = (head & 0xf, head >> 4)
    guard (1...5).contains(version) else {
      throw GraftError.unknownHDF5(version: version, of: "a type")
    }
    let bits = try reader.integer(width: 3)
    let byteCount = try reader.integer(width: 4)
    guard byteCount > 0 else { throw GraftError.damagedHDF5("a type has no bytes") }
    let names = [
      2: "a time", 4: "a bit field", 6: "a compound", 7: "a reference", 9: "a list", 11: "complex",
    ]
    switch kind {
    case 0: return try integer(&reader, bits: bits, byteCount: byteCount)
    case 1: return try float(&reader, bits: bits, byteCount: byteCount)
    case 3:
      guard let padding = Padding(rawValue: bits & 0xf) else {
        throw GraftError.damagedHDF5("strings have padding of kind \(bits & 0xf)")
      }
      return .string(byteCount: byteCount, padding: padding)
    case 5:
      let tag = try reader.string(bits & 0xff).prefix { $0 != "\0" }
      return .opaque(byteCount: byteCount, tag: String(tag))
    case 8: return try enumeration(&reader, bits: bits, version: version, depth: depth)
    case 9 where bits & 0xf == 1: return .variableString(byteCount: byteCount)
    case 10: return try array(&reader, version: version, depth: depth)
    default:
      guard let name = names[kind] else { throw GraftError.damagedHDF5("a type has kind \(kind)") }
      return .other(name: name, byteCount: byteCount)
    }
  }

  private static func integer(
    _ reader: inout HDF5Reader, bits: Int, byteCount: Int
  ) throws -> HDF5Datatype {
    let offset = try reader.integer(width: 2)
    let precision = try reader.integer(width: 2)
    let isSigned = bits & 8 != 0
    let types: [Int: ElementType] =
      isSigned
      ? [1: .int8, 2: .int16, 4: .int32, 8: .int64]
      : [1: .uint8, 2: .uint16, 4: .uint32, 8: .uint64]
    guard let type = types[byteCount], offset == 0, precision == 8 * byteCount else {
      return .other(name: "an integer of \(precision) bits", byteCount: byteCount)
    }
    return .number(type, isBigEndian: bits & 1 != 0)
  }

  /// IEEE 754's binary16, binary32 and binary64, and bfloat16.
  private static func float(
    _ reader: inout HDF5Reader, bits: Int, byteCount: Int
  ) throws -> HDF5Datatype {
    let offset = try reader.integer(width: 2)
    let precision = try reader.integer(width: 2)
    let exponent = (place: try reader.byte(), count: try reader.byte())
    let mantissa = (place: try reader.byte(), count: try reader.byte())
    let bias = try reader.integer(width: 4)
    let types: [[Int]: ElementType] = [
      [2, 5]: .float16, [2, 8]: .bfloat16, [4, 8]: .float, [8, 11]: .double,
    ]
    let isPlain =
      offset == 0 && precision == 8 * byteCount
      // An implied first bit of the mantissa; the sign before exponent and mantissa.
      && bits >> 4 & 3 == 2 && bits >> 8 & 0xff == precision - 1 && bits & 0x40 == 0
      && mantissa.place == 0 && exponent.place == mantissa.count
      && exponent.count + mantissa.count == precision - 1
    guard isPlain, let type = types[[byteCount, exponent.count]],
      bias == 1 << (exponent.count - 1) - 1
    else { return .other(name: "a float of \(precision) bits", byteCount: byteCount) }
    return .number(type, isBigEndian: bits & 1 != 0)
  }

  /// The numbers of an enumeration; h5py's Boolean type is an enumeration of FALSE and TRUE.
  private static func enumeration(
    _ reader: inout HDF5Reader, bits: Int, version: Int, depth: Int
  ) throws -> HDF5Datatype {
    let count = bits & 0xffff
    let base = try read(&reader, depth: depth + 1)
    guard case .number(let type, let isBigEndian) = base, type.isInteger else {
      throw GraftError.damagedHDF5("an enumeration is not of integers")
    }
    guard count == 2, type.byteWidth == 1 else {
      return .number(type, isBigEndian: isBigEndian)
    }
    let names = try (0..<count).map { _ in
      let start = reader.position
      let name = try reader.zeroTerminatedString()
      if version < 3 { try reader.align(from: start) }
      return name
    }
    let values = try reader.bytes(2)
    let isBoolean = names == ["FALSE", "TRUE"] && values == [0, 1]
    return .number(isBoolean ? .bool : type, isBigEndian: isBigEndian)
  }

  private static func array(
    _ reader: inout HDF5Reader, version: Int, depth: Int
  ) throws -> HDF5Datatype {
    let rank = try reader.byte()
    guard rank <= HDF5Dataspace.maximumRank else {
      throw GraftError.damagedHDF5("an array has rank \(rank)")
    }
    if version < 3 { try reader.skip(3) }
    let shape = try (0..<rank).map { _ in try reader.integer(width: 4) }
    if version < 3 { try reader.skip(4 * rank) }
    return .array(try read(&reader, depth: depth + 1), shape)
  }
}
