import GraftFiles
import GraftGraph
import GraftTensor

/// Writes values as `TensorProto`, `SequenceProto`, `OptionalProto` or `MapProto`; the counterpart of
/// ``TensorProtoReader``.
package enum TensorProtoWriter {
  /// - Parameter type: the type that the model declares, as an empty sequence has no element type
  package static func write(
    _ value: RuntimeValue, name: String, type: ValueType? = nil, to path: String
  ) throws {
    let message = try SegmentedMessage(value: value, name: name, type: type)
    let file = try AtomicFile(path: path)
    try message.forEachPiece { try file.write($0) }
    try file.commit()
  }

  /// The bytes of the file that ``write(_:name:type:to:)`` writes.
  package static func bytes(
    _ value: RuntimeValue, name: String, type: ValueType? = nil
  ) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try SegmentedMessage(value: value, name: name, type: type).forEachPiece { bytes += $0 }
    return bytes
  }
}

/// `SequenceProto.DataType` and `OptionalProto.DataType` with their value fields, which have the
/// same numbers in both.
private enum ElementKind: Int32 {
  case undefined = 0
  case tensor = 1
  case sequence = 3
  case map = 4
  case optional = 5

  init(_ value: RuntimeValue) {
    switch value {
    case .tensor: self = .tensor
    case .sequence: self = .sequence
    case .optional: self = .optional
    case .map: self = .map
    }
  }

  init(_ type: ValueType?) {
    switch type {
    case .tensor?: self = .tensor
    case .sequence?: self = .sequence
    case .optional?: self = .optional
    case .map?: self = .map
    case .sparseTensor?, nil: self = .undefined
    }
  }

  var field: Int { Int(rawValue) + 2 }
}

extension SegmentedMessage {
  init(value: RuntimeValue, name: String, type: ValueType?) throws {
    switch value {
    case .tensor(let tensor): try self.init(tensor, name: name)
    case .sequence(let elements):
      var elementType: ValueType?
      if case .sequence(let declared)? = type { elementType = declared }
      let kind = elements.first.map(ElementKind.init) ?? ElementKind(elementType ?? .anyTensor)
      var proto = Onnx_SequenceProto()
      proto.elemType = kind.rawValue
      if !name.isEmpty { proto.name = name }
      try self.init(proto)
      for element in elements {
        guard ElementKind(element) == kind else {
          throw GraftError.badData("a sequence has elements of different kinds")
        }
        append(
          field: kind.field, try SegmentedMessage(value: element, name: "", type: elementType))
      }
    case .map(let map): try self.init(map, name: name, type: type)
    case .optional(let element):
      var elementType: ValueType?
      if case .optional(let declared)? = type { elementType = declared }
      let kind = element.map(ElementKind.init) ?? .undefined
      var proto = Onnx_OptionalProto()
      proto.elemType = kind.rawValue
      if !name.isEmpty { proto.name = name }
      try self.init(proto)
      if let element {
        append(
          field: kind.field, try SegmentedMessage(value: element, name: "", type: elementType))
      }
    }
  }
}

extension ValueType {
  fileprivate static let anyTensor = ValueType.tensor(TensorType(.float, nil))
}
