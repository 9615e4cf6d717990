import GraftFiles
import GraftGraph
import GraftTensor

extension ValueType {
  /// The type in a `TypeProto`; `nil` if it is empty.
  ///
  /// - Throws: `GraftError` for element types and kinds that Graft does not support
  init?(_ proto: Onnx_TypeProto) throws {
    switch proto.value {
    case .tensorType(let tensor)?:
      guard tensor.elemType != 0 else { return nil }
      self = .tensor(
        TensorType(
          try ElementType(typeCode: tensor.elemType),
          tensor.hasShape ? try [Dimension](tensor.shape) : nil))
    case .sparseTensorType(let tensor)?:
      guard tensor.elemType != 0 else { return nil }
      self = .sparseTensor(
        TensorType(
          try ElementType(typeCode: tensor.elemType),
          tensor.hasShape ? try [Dimension](tensor.shape) : nil))
    case .sequenceType(let sequence)?:
      guard let element = try ValueType(sequence.elemType) else { return nil }
      self = .sequence(element)
    case .optionalType(let optional)?:
      guard let element = try ValueType(optional.elemType) else { return nil }
      self = .optional(element)
    case .mapType(let map)?:
      guard let value = try ValueType(map.valueType) else { return nil }
      self = .map(key: try ElementType(typeCode: map.keyType), value: value)
    case .opaqueType?: throw GraftError.unsupported("is of an opaque type")
    case nil: return nil
    }
  }

  var proto: Onnx_TypeProto {
    var proto = Onnx_TypeProto()
    switch self {
    case .tensor(let type):
      proto.tensorType.elemType = type.elementType.rawValue
      if let shape = type.shape { proto.tensorType.shape = Onnx_TensorShapeProto(shape) }
    case .sparseTensor(let type):
      proto.sparseTensorType.elemType = type.elementType.rawValue
      if let shape = type.shape { proto.sparseTensorType.shape = Onnx_TensorShapeProto(shape) }
    case .sequence(let element): proto.sequenceType.elemType = element.proto
    case .optional(let element): proto.optionalType.elemType = element.proto
    case .map(let key, let value):
      proto.mapType.keyType = key.rawValue
      proto.mapType.valueType = value.proto
    }
    return proto
  }
}

extension GraftError {
  /// Numbers below 1 are invalid in every version of ONNX; others may be new.
  static func unknownElementType(_ code: Int32) -> GraftError {
    code > 0
      ? .unsupported("has the unknown element type \(code)")
      : .badData("has the invalid element type \(code)")
  }
}

extension ElementType {
  fileprivate init(typeCode: Int32) throws {
    guard let type = ElementType(rawValue: typeCode) else {
      throw GraftError.unknownElementType(typeCode)
    }
    self = type
  }
}

extension [Dimension] {
  /// Some exporters write negative extents for unknown ones.
  ///
  /// - Throws: `GraftError` if the extent is too large for any tensor
  fileprivate init(_ proto: Onnx_TensorShapeProto) throws {
    self = proto.dim.map { dimension in
      switch dimension.value {
      case .dimValue(let extent)? where extent >= 0: .known(Int(extent))
      case .dimParam(let name)? where !name.isEmpty: .symbol(ByteString(name))
      default: .unknown
      }
    }
    _ = try compactMap(\.known).checkedElementCount()
  }
}

extension Onnx_TensorShapeProto {
  fileprivate init(_ shape: [GraftGraph.Dimension]) {
    self.init()
    dim = shape.map { dimension in
      var proto = Onnx_TensorShapeProto.Dimension()
      switch dimension {
      case .known(let extent): proto.dimValue = Int64(extent)
      case .symbol(let name): proto.dimParam = name.text
      case .unknown: break
      }
      return proto
    }
  }
}
