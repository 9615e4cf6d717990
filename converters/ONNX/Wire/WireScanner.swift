import GraftFiles

/// A serialized message with its tensors' elements taken out.
struct ScannedFile: Sendable {
  let storage: Storage
  /// The message, with an index into ``payloads`` as the `raw_data` of each tensor and without its
  /// other data fields, except strings.
  let skeleton: [UInt8]
  let payloads: [TensorPayload]
}

/// Splits a serialized message into a small skeleton for SwiftProtobuf and the locations of the
/// tensors' elements.
///
/// SwiftProtobuf copies all bytes it parses; weights must not be copied. Memory is proportional to
/// the bytes other than tensor elements.
struct WireScanner {
  private let bytes: UnsafeRawBufferPointer
  private let limits: ImportLimits
  private var skeleton: [UInt8] = []
  private var payloads: [TensorPayload] = []
  private var nodeCount = 0

  /// - Throws: `GraftError` with the offset if the file is malformed or exceeds a limit
  static func scan(
    _ storage: Storage, as root: MessageKind, limits: ImportLimits
  ) throws -> ScannedFile {
    defer { withExtendedLifetime(storage) {} }
    var scanner = WireScanner(
      bytes: UnsafeRawBufferPointer(start: storage.baseAddress, count: storage.byteCount),
      limits: limits)
    try scanner.scan(0..<storage.byteCount, as: root, depth: 0)
    return ScannedFile(
      storage: storage, skeleton: scanner.skeleton, payloads: scanner.payloads)
  }

  private init(bytes: UnsafeRawBufferPointer, limits: ImportLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  private mutating func scan(_ range: Range<Int>, as kind: MessageKind, depth: Int) throws {
    guard depth <= limits.depth else {
      throw GraftError.badData(
        "nests messages deeper than \(limits.depth) at byte \(range.lowerBound)")
    }
    if case .node = kind {
      nodeCount += 1
      guard nodeCount <= limits.nodes else {
        throw GraftError.badData("has more than \(limits.nodes) nodes")
      }
    }
    var reader = WireReader(bytes, range)
    var payload = TensorPayload()
    while !reader.isAtEnd {
      let keyStart = reader.position
      let key = try reader.key()
      let value = try reader.value(key.type)
      switch kind.treatment(ofField: key.field) {
      case .copy: skeleton.append(contentsOf: bytes[keyStart..<reader.position])
      case .drop: break
      case .descend(let child):
        try require(key, .lengthDelimited, at: keyStart)
        guard !(value.isEmpty && child.mustHaveContents) else {
          throw GraftError.badData("has an empty \(child) at byte \(keyStart)")
        }
        try append(field: key.field, value, as: child, depth: depth + 1)
      case .rawData:
        try require(key, .lengthDelimited, at: keyStart)
        payload.raw = value
      case .elements(let field):
        let isPacked = key.type == .lengthDelimited
        if !isPacked { try require(key, field.fieldType, at: keyStart) }
        payload.append(
          TensorPayload.Piece(field: field, range: value, isPacked: isPacked), keyStart: keyStart)
      }
    }
    if !payload.isEmpty { appendReference(to: payload) }
  }

  private func require(_ key: WireReader.Key, _ type: WireReader.FieldType, at offset: Int) throws {
    guard key.type == type else {
      throw GraftError.badData(
        "stores field \(key.field) as \(key.type) at byte \(offset); expected \(type)")
    }
  }

  /// Lengths take five bytes, so that they can be filled in later; the wire format allows it.
  private mutating func append(
    field: Int, _ range: Range<Int>, as kind: MessageKind, depth: Int
  ) throws {
    appendVarint(UInt64(field) << 3 | UInt64(WireReader.FieldType.lengthDelimited.rawValue))
    let lengthStart = skeleton.count
    skeleton.append(contentsOf: repeatElement(0, count: 5))
    try scan(range, as: kind, depth: depth)
    var length = skeleton.count - lengthStart - 5
    guard length < 1 << 31 else {
      throw GraftError.badData("has too large a message at byte \(range.lowerBound)")
    }
    for index in 0..<5 {
      skeleton[lengthStart + index] = UInt8(length & 0x7f) | (index < 4 ? 0x80 : 0)
      length >>= 7
    }
  }

  private mutating func appendReference(to payload: TensorPayload) {
    appendVarint(9 << 3 | UInt64(WireReader.FieldType.lengthDelimited.rawValue))
    let index = UInt64(payloads.count)
    payloads.append(payload)
    skeleton.append(8)
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      skeleton.append(UInt8(truncatingIfNeeded: index >> shift))
    }
  }

  private mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      skeleton.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    skeleton.append(UInt8(rest))
  }
}

extension ScannedFile {
  /// The payload of a tensor of the skeleton.
  func payload(of proto: Onnx_TensorProto) -> TensorPayload? {
    guard proto.hasRawData, proto.rawData.count == 8 else { return nil }
    let index = proto.rawData.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return index < UInt64(payloads.count) ? payloads[Int(index)] : nil
  }
}
