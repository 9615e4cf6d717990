import GraftFiles
import GraftGraph

extension ModelImport {
  /// The attributes of a node; in a function, references are replaced by the call's attributes.
  func attributes(
    of proto: Onnx_NodeProto, in frame: NameFrame
  ) throws -> [ByteString: Attribute] {
    var attributes: [ByteString: Attribute] = [:]
    for attribute in try resolvedAttributes(of: proto, in: frame) {
      try withPlace("attribute '\(attribute.name)'") {
        if frame.call != nil { try budget.reserve(bytes: attribute.memoryByteCount) }
        let value = try self.attribute(attribute, in: frame)
        guard attributes.updateValue(value, forKey: ByteString(attribute.name)) == nil else {
          throw GraftError.badData("is given twice")
        }
      }
    }
    return attributes
  }

  /// The attributes of a node without references. A reference to an attribute with neither a value
  /// from the caller nor a default is dropped.
  func resolvedAttributes(
    of proto: Onnx_NodeProto, in frame: NameFrame
  ) throws -> [Onnx_AttributeProto] {
    try proto.attribute.compactMap { attribute in
      guard !attribute.refAttrName.isEmpty else { return attribute }
      guard let call = frame.call else {
        throw GraftError.badData(
          "attribute '\(attribute.name)' refers to '\(attribute.refAttrName)', outside a function"
        )
      }
      guard var referred = call.attributes[attribute.refAttrName] else { return nil }
      referred.name = attribute.name
      return referred
    }
  }

  private func attribute(_ proto: Onnx_AttributeProto, in frame: NameFrame) throws -> Attribute {
    switch proto.effectiveType {
    case .float: return .float(proto.f)
    case .int: return .int(Int(proto.i))
    case .string: return .string(String(decoding: proto.s, as: UTF8.self))
    case .tensor: return .tensor(try decoder.tensor(proto.t))
    case .sparseTensor: return .sparseTensor(try decoder.sparseTensor(proto.sparseTensor))
    case .graph: return .graph(try body(proto.g, in: frame))
    case .typeProto: return .type(try type(proto.tp))
    case .floats: return .floats(proto.floats)
    case .ints: return .ints(proto.ints.map { Int($0) })
    case .strings: return .strings(proto.strings.map { String(decoding: $0, as: UTF8.self) })
    case .tensors: return .tensors(try proto.tensors.map(decoder.tensor))
    case .sparseTensors: return .sparseTensors(try proto.sparseTensors.map(decoder.sparseTensor))
    case .graphs: return .graphs(try proto.graphs.map { try body($0, in: frame) })
    case .typeProtos: return .types(try proto.typeProtos.map(type))
    case .undefined: throw GraftError.badData("has no value")
    }
  }

  private func type(_ proto: Onnx_TypeProto) throws -> ValueType {
    guard let type = try ValueType(proto) else { throw GraftError.badData("has no type") }
    return type
  }

  private func body(_ proto: Onnx_GraphProto, in frame: NameFrame) throws -> Graph {
    try requireDepth(frame)
    let inner = NameFrame(
      level: level(name: proto.name, isBody: true), outer: frame, call: frame.call,
      opsets: frame.opsets, depth: frame.depth + 1)
    try withPlace("graph '\(proto.name)'") { try importGraph(proto, into: inner) }
    return inner.level.graph
  }
}

extension Onnx_AttributeProto {
  /// The kind of the attribute; old models imply it by the field they use.
  var effectiveType: Onnx_AttributeProto.AttributeType {
    if type != .undefined { return type }
    if hasF { return .float }
    if hasI { return .int }
    if hasS { return .string }
    if hasT { return .tensor }
    if hasG { return .graph }
    if hasSparseTensor { return .sparseTensor }
    if hasTp { return .typeProto }
    if !floats.isEmpty { return .floats }
    if !ints.isEmpty { return .ints }
    if !strings.isEmpty { return .strings }
    if !tensors.isEmpty { return .tensors }
    if !graphs.isEmpty { return .graphs }
    if !sparseTensors.isEmpty { return .sparseTensors }
    return typeProtos.isEmpty ? .undefined : .typeProtos
  }
}
