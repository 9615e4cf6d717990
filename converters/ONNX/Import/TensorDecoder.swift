import GraftFiles
import GraftTensor
import SwiftProtobuf

import FoundationEssentials

/// Decodes the tensors of a scanned file. Elements stay in the mapped file wherever their layout
/// there is the layout in memory.
struct TensorDecoder {
  let file: ScannedFile
  /// `nil` where external data is not allowed.
  let externalData: ExternalDataFolder?
  /// The memory left for tensors.
  let budget: ImportBudget
  /// Whether elements that lie unaligned in the file are copied.
  var alignsElements = false

  func tensor(_ proto: Onnx_TensorProto) throws -> Tensor {
    guard let elementType = ElementType(rawValue: proto.dataType) else {
      throw GraftError.unknownElementType(proto.dataType)
    }
    guard !proto.hasSegment else { throw GraftError.unsupported("is stored in segments") }
    let shape = proto.dims.map { Int($0) }
    let elementCount = try shape.checkedElementCount()
    try budget.reserve(elementType, shape)
    if proto.dataLocation == .external {
      return try externalTensor(proto, elementType, shape)
    }
    if elementType == .string {
      guard proto.stringData.count == elementCount else {
        throw GraftError.badData(
          "has \(proto.stringData.count) strings for the shape \(shape)")
      }
      try budget.reserve(bytes: proto.stringData.reduce(0) { $0 + $1.count })
      return try Tensor(
        strings: proto.stringData.map { String(decoding: $0, as: UTF8.self) }, shape: shape)
    }
    guard let payload = file.payload(of: proto) else {
      guard elementCount == 0 else {
        throw GraftError.badData("has no data for the shape \(shape)")
      }
      return try Tensor(zeros: elementType, shape: shape)
    }
    if let range = payload.raw {
      return try withPlace("raw data at byte \(range.lowerBound)") {
        try tensor(elementType, shape, storage: file.storage, range)
      }
    }
    return try typedTensor(elementType, shape, payload.pieces)
  }

  /// A tensor whose packed elements lie in `range` of `storage`.
  private func tensor(
    _ elementType: ElementType, _ shape: Shape, storage: Storage, _ range: Range<Int>
  ) throws -> Tensor {
    let elementCount = try shape.checkedElementCount()
    let expected = elementType.packedByteCount(elementCount)
    guard range.count == expected else {
      throw GraftError.badData(
        "has \(range.count) bytes; shape \(shape) of \(elementType) needs \(expected)")
    }
    let bytes = UnsafeRawBufferPointer(
      start: storage.baseAddress + range.lowerBound, count: range.count)
    defer { withExtendedLifetime(storage) {} }
    if elementType.isSubByte {
      let tensor = try Tensor(zeros: elementType, shape: shape)
      tensor.withUnsafeMutableBytes { elementType.unpack(bytes, into: $0) }
      return tensor
    }
    if elementType == .bool, bytes.contains(where: { $0 > 1 }) {
      let tensor = try Tensor(zeros: elementType, shape: shape)
      tensor.withUnsafeMutableBytes { elements in
        for index in bytes.indices { elements[index] = bytes[index] == 0 ? 0 : 1 }
      }
      return tensor
    }
    let tensor = try Tensor(
      elementType: elementType, shape: shape, storage: storage, byteOffset: range.lowerBound)
    return alignsElements && !tensor.isAligned ? try tensor.copied() : tensor
  }

  // MARK: Typed fields

  private func typedTensor(
    _ elementType: ElementType, _ shape: Shape, _ allPieces: [TensorPayload.Piece]
  ) throws -> Tensor {
    let field = elementType.typedField
    let pieces = allPieces.filter { $0.field == field }
    let elementCount = try shape.checkedElementCount()
    if field == .float || field == .double, pieces.count == 1, pieces[0].isPacked {
      return try tensor(elementType, shape, storage: file.storage, pieces[0].range)
    }
    // Each number takes at least a byte, so that the file's size limits the tensor.
    let numberCount = elementType.numberCount(elementCount)
    let available = pieces.reduce(0) { $0 + $1.range.count }
    guard available >= numberCount else {
      throw GraftError.badData(
        "has \(available) bytes of data for the \(elementCount) elements of shape \(shape)")
    }
    let isSubByte = elementType.isSubByte
    let width = isSubByte ? 1 : elementType.byteWidth * elementCount / max(numberCount, 1)
    let tensor = try Tensor(zeros: elementType, shape: shape)
    let packed = isSubByte ? try Storage.heap(byteCount: numberCount) : nil
    let base = packed?.baseAddress ?? tensor.baseAddress
    let isBool = elementType == .bool
    var count = 0
    try forEachNumber(pieces) { number in
      guard count < numberCount else {
        throw GraftError.badData("has more data than the shape \(shape) needs")
      }
      let value = isBool ? (number == 0 ? 0 : 1) : number
      withUnsafeBytes(of: value.littleEndian) { source in
        (base + count * width).copyMemory(from: source.baseAddress!, byteCount: width)
      }
      count += 1
    }
    guard count == numberCount else {
      throw GraftError.badData("has \(count) numbers; the shape \(shape) needs \(numberCount)")
    }
    if let packed {
      tensor.withUnsafeMutableBytes {
        elementType.unpack(
          UnsafeRawBufferPointer(start: packed.baseAddress, count: packed.byteCount), into: $0)
      }
    }
    return tensor
  }

  private func forEachNumber(
    _ pieces: [TensorPayload.Piece], _ body: (UInt64) throws -> Void
  ) throws {
    let bytes = UnsafeRawBufferPointer(
      start: file.storage.baseAddress, count: file.storage.byteCount)
    defer { withExtendedLifetime(file.storage) {} }
    for piece in pieces {
      var reader = WireReader(bytes, piece.range)
      while !reader.isAtEnd {
        if !piece.isPacked { _ = try reader.key() }
        switch piece.field.fieldType {
        case .varint: try body(try reader.varint())
        case let type:
          let range = try reader.value(type)
          try body(
            range.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64(bytes[$1]) })
        }
      }
    }
  }

  // MARK: External data

  private func externalTensor(
    _ proto: Onnx_TensorProto, _ elementType: ElementType, _ shape: Shape
  ) throws -> Tensor {
    guard let externalData else {
      throw GraftError.badData("refers to external data, which is not allowed here")
    }
    guard elementType != .string else {
      throw GraftError.badData("has strings in external data, which ONNX does not allow")
    }
    var location: String?
    var offset = 0
    var length: Int?
    for entry in proto.externalData {
      switch entry.key {
      case "location": location = entry.value
      case "offset": offset = try byteCount(entry)
      case "length": length = try byteCount(entry)
      default: break
      }
    }
    guard let location else { throw GraftError.badData("names no file for its external data") }
    let storage = try externalData.file(location)
    let expected = elementType.packedByteCount(try shape.checkedElementCount())
    return try withPlace("external data '\(location)'") {
      let length = length ?? expected
      guard offset <= storage.byteCount, length <= storage.byteCount - offset else {
        throw GraftError.badData(
          "has \(storage.byteCount) bytes; the model needs \(length) from offset \(offset)")
      }
      return try tensor(elementType, shape, storage: storage, offset..<offset + length)
    }
  }

  private func byteCount(_ entry: Onnx_StringStringEntryProto) throws -> Int {
    guard let count = Int(entry.value), count >= 0 else {
      throw GraftError.badData("has the invalid \(entry.key) '\(entry.value)' of external data")
    }
    return count
  }
}
