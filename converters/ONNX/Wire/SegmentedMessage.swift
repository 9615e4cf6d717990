import GraftFiles
import GraftTensor
import SwiftProtobuf

/// A serialized message whose tensors stay where they are until it is written.
struct SegmentedMessage {
  private enum Segment {
    case bytes([UInt8])
    /// The elements in the file's layout.
    case elements(Tensor)
  }

  private var segments: [Segment] = []
  /// How long the message is.
  private(set) var byteCount = 0

  /// Smaller tensors are copied, since a segment would cost more.
  private static let copiedByteCount = 1024

  init() {}

  init(_ message: some SwiftProtobuf.Message) throws { try append(fieldsOf: message) }

  /// Appends the fields of a message of the same kind, which merges the two.
  mutating func append(fieldsOf message: some SwiftProtobuf.Message) throws {
    do {
      append(bytes: try message.serializedBytes())
    } catch {
      throw GraftError(
        .software, "cannot serialize \(type(of: message).protoMessageName): \(error)")
    }
  }

  mutating func append(field: Int, _ message: SegmentedMessage) {
    appendKey(field: field, byteCount: message.byteCount)
    byteCount += message.byteCount
    for segment in message.segments {
      if case .bytes(let bytes) = segment, case .bytes(var last)? = segments.last {
        segments.removeLast()
        last += bytes
        segments.append(.bytes(last))
      } else {
        segments.append(segment)
      }
    }
  }

  /// Appends a field with a tensor's elements, in ONNX's packed layout.
  mutating func append(field: Int, elementsOf tensor: Tensor) {
    let count = tensor.elementType.packedByteCount(tensor.elementCount)
    appendKey(field: field, byteCount: count)
    if count <= Self.copiedByteCount {
      tensor.withPackedBytes { append(bytes: Array($0)) }
    } else {
      byteCount += count
      segments.append(.elements(tensor))
    }
  }

  /// Calls `body` with each piece of the message, in order.
  func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    for segment in segments {
      switch segment {
      case .bytes(let bytes): try bytes.withUnsafeBytes(body)
      case .elements(let tensor): try tensor.withPackedBytes(body)
      }
    }
  }

  private mutating func appendKey(field: Int, byteCount: Int) {
    var bytes: [UInt8] = []
    for number in [UInt64(field) << 3 | 2, UInt64(byteCount)] {
      var rest = number
      while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
    append(bytes: bytes)
  }

  private mutating func append(bytes: [UInt8]) {
    byteCount += bytes.count
    if case .bytes(var last)? = segments.last {
      segments.removeLast()
      last += bytes
      segments.append(.bytes(last))
    } else {
      segments.append(.bytes(bytes))
    }
  }
}

extension Tensor {
  /// The elements in the file's layout; a copy only if elements share bytes there.
  func withPackedBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    guard elementType.isSubByte else { return try withUnsafeBytes(body) }
    let packed = withUnsafeBytes { elementType.pack($0) }
    return try packed.withUnsafeBytes(body)
  }
}
