import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

import FoundationEssentials

extension TensorDecoder {
  /// The map in a `MapProto`.
  func map(_ proto: Onnx_MapProto) throws -> RuntimeMap {
    guard let keyType = ElementType(rawValue: proto.keyType),
      keyType == .string || keyType.isInteger
    else {
      throw GraftError.unknownElementType(proto.keyType)
    }
    let keys: Tensor
    if keyType == .string {
      let strings = proto.stringKeys.map { String(decoding: $0, as: UTF8.self) }
      keys = try Tensor(strings: strings, shape: [strings.count])
    } else {
      let wide = try Tensor(proto.keys, shape: [proto.keys.count])
      keys = try Tensor(zeros: keyType, shape: wide.shape)
      try ElementConversion.convert(
        wide.baseAddress, .int64, to: keys.baseAddress, keyType, count: wide.elementCount)
    }
    guard case .sequence(let values) = try sequence(proto.values) else {
      return try RuntimeMap(keys: keys, values: .elements([]))
    }
    return try RuntimeMap(keys: keys, values: RuntimeMap.Values(Array(values)))
  }
}

extension SegmentedMessage {
  /// A `MapProto`.
  init(_ map: RuntimeMap, name: String, type: ValueType?) throws {
    var valueType: ValueType?
    if case .map(_, let declared)? = type { valueType = declared }
    var proto = Onnx_MapProto()
    if !name.isEmpty { proto.name = name }
    proto.keyType = map.keys.elementType.rawValue
    if map.keys.elementType == .string {
      proto.stringKeys = map.keys.strings.map { Data($0.utf8) }
    } else {
      proto.keys = try map.keys.integers().map { Int64($0) }
    }
    try self.init(proto)
    let values = RuntimeValue.sequence(try (0..<map.count).map { try map.value(at: $0) })
    append(
      field: 5,
      try SegmentedMessage(value: values, name: "", type: valueType.map { .sequence($0) }))
  }
}
