import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension ModelImport {
  /// Appends nodes to the graph of `frame`'s level, in topological order.
  func importNodes(_ nodes: [Onnx_NodeProto], into frame: NameFrame) throws {
    for index in try TopologicalSort.order(nodes) {
      try importNode(nodes[index], into: frame)
    }
  }

  private func importNode(_ proto: Onnx_NodeProto, into frame: NameFrame) throws {
    guard !proto.opType.isEmpty else {
      throw GraftError.badData("has a node without an operator: \(proto.label)")
    }
    let key = FunctionName(proto)
    if frame.call != nil { try reserve(proto) }
    if let function = functions[key] {
      try withPlace(proto.label) {
        if keepsFunctions, frame.call == nil {
          try keep(function, key, callNode: proto, into: frame)
        } else {
          try inline(function, key, callNode: proto, into: frame)
        }
      }
      return
    }
    let level = frame.level
    var node = Node(
      name: try proto.name.isEmpty ? "" : frame.graphName(proto.name), operatorType: proto.opType,
      domain: key.domain.text, inputs: [], outputs: [], documentation: proto.docString,
      metadata: dictionary(proto.metadataProps))
    node.overload = proto.overload
    try withPlace(proto.label) {
      node.inputs = try inputs(of: proto, in: frame)
      node.attributes = try attributes(of: proto, in: frame)
      if node.is(Gradient.self) { node.inputs += try differentiatedValues(of: node, in: frame) }
    }
    if let constant = try withPlace(proto.label, { try constant(node, proto, in: frame) }) {
      try withPlace(proto.label) {
        let id = try addConstant(constant, proto.output[0], into: frame)
        if !node.documentation.isEmpty { level.graph[id].documentation = node.documentation }
      }
      return
    }
    try withPlace(proto.label) { node.outputs = try outputs(of: proto, in: frame) }
    let version = frame.opsets[key.domain] ?? 0
    if let newest = OperatorVersion.newest(ofDomain: key.domain), version > newest {
      throw GraftError.unsupported(
        "uses version \(version) of \(key.domain); versions up to \(newest) can be read",
        hint: "Export the model at a lower version of \(key.domain)"
      ).at(proto.label)
    }
    try level.upgrader.append(node, opset: version)
  }

  /// The values that a node reads; `nil` for omitted ones.
  func inputs(of proto: Onnx_NodeProto, in frame: NameFrame) throws -> [ValueID?] {
    let names = proto.input.droppingTrailingEmpty
    return try names.map { name in
      guard !name.isEmpty else { return nil }
      switch frame.resolve(name) {
      case .value(let id)?: return id
      case .absent?: return nil
      case nil: throw GraftError.badData("reads '\(name)', which no node computes")
      }
    }
  }

  /// The values that the attributes of a Gradient name.
  private func differentiatedValues(of node: Node, in frame: NameFrame) throws -> [ValueID?] {
    let names = try Gradient.Names(AttributeReader(node.attributes))
    guard node.inputs.count == names.all.count - 1 else {
      throw GraftError.badData(
        "has \(node.inputs.count) inputs; 'xs' and 'zs' name \(names.all.count - 1) tensors")
    }
    return try names.all.map { name in
      guard case .value(let id)? = frame.resolve(name) else {
        throw GraftError.badData("differentiates '\(name)', which no node computes")
      }
      return id
    }
  }

  /// New values for the outputs of a node.
  func outputs(of proto: Onnx_NodeProto, in frame: NameFrame) throws -> [ValueID?] {
    try proto.output.droppingTrailingEmpty.map { name in
      guard !name.isEmpty else { return nil }
      let id: ValueID
      if let reserved = frame.reserved[ByteString(name)] {
        id = reserved
      } else {
        id = frame.level.graph.addValue(name: try frame.graphName(name))
        if let declaration = frame.declarations[name] {
          describe(id, declaration, in: frame.level)
          try withPlace("value '\(name)'") {
            frame.level.graph[id].type = try ValueType(declaration.type)
          }
        }
      }
      try define(name, id, in: frame)
      return id
    }
  }

  /// The tensor of a Constant node; `nil` for other nodes.
  private func constant(
    _ node: Node, _ proto: Onnx_NodeProto, in frame: NameFrame
  ) throws -> Tensor? {
    guard node.is(Constant.self) else { return nil }
    guard node.attributes.count == 1, let (name, attribute) = node.attributes.first,
      proto.output.count == 1, proto.input.isEmpty
    else {
      throw GraftError.badData("must have one attribute with its value, one output and no input")
    }
    switch (name, attribute) {
    case ("value", .tensor(let tensor)): return tensor
    case ("sparse_value", .sparseTensor(let sparse)): return try decoder.denseTensor(sparse)
    case ("value_float", .float(let value)): return try Tensor(scalar: value)
    case ("value_floats", .floats(let values)): return try Tensor(values, shape: [values.count])
    case ("value_int", .int(let value)): return try Tensor(scalar: Int64(value))
    case ("value_ints", .ints(let values)):
      return try Tensor(values.map(Int64.init), shape: [values.count])
    case ("value_string", .string(let value)): return try Tensor(strings: [value], shape: [])
    case ("value_strings", .strings(let values)):
      return try Tensor(strings: values, shape: [values.count])
    default:
      throw GraftError.badData("has its value in '\(name)' of kind \(attribute.kind)")
    }
  }
}

extension [String] {
  /// Without trailing empty names, which are the same as absent ones.
  var droppingTrailingEmpty: ArraySlice<String> {
    self[..<((lastIndex { !$0.isEmpty }).map { $0 + 1 } ?? 0)]
  }
}

extension Onnx_NodeProto {
  /// How messages name the node.
  var label: String {
    let type = domain.isEmpty ? opType : "\(domain).\(opType)"
    if !name.isEmpty { return "\(type) '\(name)'" }
    guard let output = output.first(where: { !$0.isEmpty }) else { return type }
    return "\(type) of '\(output)'"
  }
}
