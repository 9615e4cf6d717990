import GraftFiles
import GraftTensor

/// Contiguous elements of one type in a file: the value of an attribute, or a dataset without
/// chunks.
struct HDF5Elements {
  let file: HDF5File
  let type: HDF5Datatype
  let shape: Shape
  /// The bytes of the elements, and no others.
  let bytes: HDF5Reader

  /// - Throws: `GraftError` if there are too few bytes
  init(_ file: HDF5File, _ type: HDF5Datatype, shape: Shape, bytes: HDF5Reader) throws {
    self.file = file
    self.type = type
    self.shape = shape
    var bytes = bytes
    self.bytes = try bytes.part(checkedProduct([shape.checkedElementCount(), type.byteCount]))
  }

  /// Numbers in the file's memory, or a copy if they have the other byte order; or strings.
  ///
  /// - Throws: `GraftError` for other types, and if the copy is too large for the file
  func tensor() throws -> Tensor {
    switch type {
    case .string, .variableString:
      return try Tensor(strings: strings() ?? [], shape: shape)
    default:
      let (elementType, inner, isBigEndian) = try HDF5Elements.numbers(type)
      let tensor = try Tensor(
        elementType: elementType, shape: shape + inner, storage: bytes.storage,
        byteOffset: bytes.position)
      return try HDF5Elements.native(tensor, isBigEndian: isBigEndian, file: file)
    }
  }

  /// The element type of numbers, and the extents that an array type adds to the dataset's.
  ///
  /// - Throws: `GraftError` for other types
  static func numbers(
    _ type: HDF5Datatype
  ) throws -> (elementType: ElementType, inner: Shape, isBigEndian: Bool) {
    switch type {
    case .number(let elementType, let isBigEndian): return (elementType, [], isBigEndian)
    case .array(let base, let shape):
      let (elementType, inner, isBigEndian) = try numbers(base)
      return (elementType, shape + inner, isBigEndian)
    default:
      throw GraftError.unsupported(
        "has an element type that is not numeric, or not of whole bytes: \(type.name)")
    }
  }

  /// The tensor, or a copy with the bytes of each element reversed.
  static func native(_ tensor: Tensor, isBigEndian: Bool, file: HDF5File) throws -> Tensor {
    if tensor.elementType == .bool {
      guard tensor.withUnsafeBytes({ $0.allSatisfy { $0 <= 1 } }) else {
        throw GraftError.badData("has Boolean elements that are neither 0 nor 1")
      }
    }
    let width = tensor.elementType.byteWidth
    guard isBigEndian, width > 1 else { return tensor }
    try file.countDecoded(tensor.byteCount)
    let copy = try tensor.copied()
    copy.withUnsafeMutableBytes { bytes in
      for start in stride(from: 0, to: bytes.count, by: width) {
        bytes[start..<start + width].reverse()
      }
    }
    return copy
  }

  /// The strings; `nil` if the elements are not strings.
  ///
  /// - Throws: `GraftError` if they are damaged, or too large for the file
  func strings() throws -> [String]? {
    var reader = bytes
    let count = shape.elementCount
    switch type {
    case .string(let byteCount, let padding):
      try file.countDecoded(checkedProduct([count, byteCount + MemoryLayout<String>.stride]))
      return try (0..<count).map { _ in
        HDF5Elements.text(try reader.bytes(byteCount), padding)
      }
    case .variableString(let byteCount):
      try file.countDecoded(checkedProduct([count, MemoryLayout<String>.stride]))
      return try (0..<count).map { _ in try variableString(reader.part(byteCount)) }
    default: return nil
    }
  }

  private static func text(_ bytes: [UInt8], _ padding: HDF5Datatype.Padding) -> String {
    let end: Int
    switch padding {
    case .zeroTerminated: end = bytes.firstIndex(of: 0) ?? bytes.count
    case .zeroPadded: end = (bytes.lastIndex { $0 != 0 } ?? -1) + 1
    case .spacePadded: end = (bytes.lastIndex { $0 != UInt8(ascii: " ") } ?? -1) + 1
    }
    return String(decoding: bytes[..<end], as: UTF8.self)
  }

  /// - Parameter place: a length, the address of a global heap, and an object number there
  private func variableString(_ place: HDF5Reader) throws -> String {
    var reader = place
    let byteCount = try reader.integer(width: 4)
    let address = try reader.address()
    let index = try reader.integer(width: 4)
    guard byteCount > 0, let address, address != 0 else { return "" }
    try file.countDecoded(byteCount)
    var object = try file.globalHeap(at: address).object(index)
    let bytes = try object.bytes(byteCount)
    // C strings end with a zero, which some writers count.
    return HDF5Elements.text(bytes, .zeroTerminated)
  }
}

extension HDF5Datatype {
  /// The name in messages.
  var name: String {
    switch self {
    case .number(let elementType, _): "\(elementType)"
    case .string, .variableString: "text"
    case .array(let base, let shape): "an array \(shape) of \(base.name)"
    case .opaque(let byteCount, let tag):
      "\(byteCount) opaque bytes" + (tag.isEmpty ? "" : " ('\(tag)')")
    case .other(let name, _): name
    }
  }
}
