import GraftFiles
import GraftTensor

/// Elements of one type that lie in a file in their order: the value of an attribute, or a data set
/// that is not chunked.
struct HDF5Elements {
  let file: HDF5File
  let type: HDF5Datatype
  let shape: Shape
  /// As many bytes as the elements take.
  let bytes: HDF5Reader

  /// - Throws: `GraftError` if there are fewer bytes than the elements take.
  init(_ file: HDF5File, _ type: HDF5Datatype, shape: Shape, bytes: HDF5Reader) throws {
    self.file = file
    self.type = type
    self.shape = shape
    var bytes = bytes
    self.bytes = try bytes.part(checkedProduct([shape.checkedElementCount(), type.byteCount]))
  }

  /// Numbers in the memory of the file, or a copy where they have the other byte order; strings.
  ///
  /// - Throws: `GraftError` for other types, and if the copy is too large for the file.
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

  /// The element type of numbers, and the extents that arrays add to the data set's.
  ///
  /// - Throws: `GraftError` for what is no number.
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

  /// The tensor, or a copy with the bytes of each element turned around.
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

  /// The strings; `nil` if the elements are something else.
  ///
  /// - Throws: `GraftError` if they are damaged, or too large for the file.
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

  /// - Parameter place: a length, and where the bytes are: a global heap and a number there
  private func variableString(_ place: HDF5Reader) throws -> String {
    var reader = place
    let byteCount = try reader.integer(width: 4)
    let address = try reader.address()
    let index = try reader.integer(width: 4)
    guard byteCount > 0, let address, address != 0 else { return "" }
    try file.countDecoded(byteCount)
    var object = try file.globalHeap(at: address).object(index)
    let bytes = try object.bytes(byteCount)
    // C's strings end with a zero, which some writers count.
    return HDF5Elements.text(bytes, .zeroTerminated)
  }
}

extension HDF5Datatype {
  /// For messages.
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
