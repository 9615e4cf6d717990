import GraftFiles
import GraftGraph
import GraftTensor

extension ModelImport {
  /// Fills the graph of `frame`'s level, in which no name is defined yet.
  func importGraph(_ proto: Onnx_GraphProto, into frame: NameFrame) throws {
    if frame.call != nil { try reserve(proto) }
    let level = frame.level
    level.graph.documentation = proto.docString
    level.graph.metadata = dictionary(proto.metadataProps)
    for declaration in proto.valueInfo + proto.output {
      frame.declarations[declaration.name] = declaration
    }

    var initializers = Set(proto.initializer.map { ByteString($0.name) })
    initializers.formUnion(proto.sparseInitializer.map { ByteString($0.values.name) })
    // Only inputs of the model itself, not of bodies.
    let given =
      frame.outer == nil
      ? givenInputs.intersection(proto.input.map { ByteString($0.name) }) : []
    initializers.subtract(given)
    for input in proto.input where !initializers.contains(ByteString(input.name)) {
      try withPlace("input '\(input.name)'") { try importInput(input, into: frame) }
    }
    for initializer in proto.initializer where !given.contains(ByteString(initializer.name)) {
      try withPlace("initializer '\(initializer.name)'") {
        let id = try addConstant(
          try decoder.tensor(initializer), initializer.name, into: frame)
        level.graph[id].documentation = initializer.docString
        level.graph[id].metadata = dictionary(initializer.metadataProps)
      }
    }
    for initializer in proto.sparseInitializer
    where !given.contains(ByteString(initializer.values.name)) {
      try withPlace("sparse initializer '\(initializer.values.name)'") {
        let dense = try decoder.denseTensor(try decoder.sparseTensor(initializer))
        try addConstant(dense, initializer.values.name, into: frame)
      }
    }
    var declared: Set<ByteString> = []
    for input in proto.input where initializers.contains(ByteString(input.name)) {
      try withPlace("input '\(input.name)'") {
        guard declared.insert(ByteString(input.name)).inserted else {
          throw GraftError.badData("is declared twice")
        }
        try importDefaultedInput(input, into: frame)
      }
    }
    try importNodes(proto.node, into: frame)
    importQuantization(proto.quantizationAnnotation, into: frame)

    for output in proto.output {
      try withPlace("output '\(output.name)'") { try importOutput(output, into: frame) }
    }
  }

  private func importInput(_ proto: Onnx_ValueInfoProto, into frame: NameFrame) throws {
    let level = frame.level
    let type = try ValueType(proto.type)
    // Bodies may leave the types of their inputs to the enclosing node.
    guard type != nil || frame.outer != nil else { throw GraftError.badData("has no type") }
    let id = level.graph.addValue(name: try frame.graphName(proto.name), type: type)
    level.graph.inputs.append(id)
    describe(id, proto, in: level)
    try define(proto.name, id, in: frame)
  }

  private func importDefaultedInput(_ proto: Onnx_ValueInfoProto, into frame: NameFrame) throws {
    guard case .value(let id)? = frame.resolve(proto.name),
      let constant = frame.level.graph.constants[id]
    else { return }
    if let declared = try ValueType(proto.type) {
      guard let type = declared.tensor, type.elementType == constant.elementType else {
        throw GraftError.badData(
          "is declared as \(declared), but its initializer holds \(constant.elementType)")
      }
    }
    frame.level.graph.defaultedInputs.append(id)
    describe(id, proto, in: frame.level)
  }

  private func importOutput(_ proto: Onnx_ValueInfoProto, into frame: NameFrame) throws {
    guard case .value(let id)? = frame.resolve(proto.name) else {
      throw GraftError.badData("is not computed by any node")
    }
    let level = frame.level
    level.graph.outputs.append(id)
    level.graph[id].metadata.merge(Denotation.metadata(of: proto.type)) { $1 }
    if let declared = try ValueType(proto.type), let found = level.graph[id].type,
      let declaredType = declared.tensor?.elementType, let foundType = found.tensor?.elementType,
      declaredType != foundType
    {
      throw GraftError.badData("is declared as \(declared), but the nodes compute \(found)")
    }
    // A Loop may carry a value that is optional only before its first trip.
    if case .optional(let element)? = level.graph[id].type {
      switch (element, try ValueType(proto.type)) {
      case (.sequence, .sequence), (.tensor, .tensor): level.graph[id].type = element
      default: break
      }
    }
  }

  /// A constant with a name from the file, and the declaration of that name, if any.
  @discardableResult
  func addConstant(_ tensor: Tensor, _ name: String, into frame: NameFrame) throws -> ValueID {
    guard !name.isEmpty else { throw GraftError.badData("has no name") }
    let id: ValueID
    if let reserved = frame.reserved[ByteString(name)] {
      id = reserved
      frame.level.graph.constants[id] = tensor
      frame.level.graph[id].type = .tensor(
        TensorType(tensor.elementType, [Dimension](tensor.shape)))
    } else {
      id = frame.level.graph.addConstant(name: try frame.graphName(name), tensor)
      if let declaration = frame.declarations[name] { describe(id, declaration, in: frame.level) }
    }
    try define(name, id, in: frame)
    return id
  }

  func define(_ name: String, _ id: ValueID, in frame: NameFrame) throws {
    guard !name.isEmpty else { throw GraftError.badData("has no name") }
    try frame.define(name, .value(id))
  }

  /// Adds documentation, metadata and denotations from a declaration.
  func describe(_ id: ValueID, _ proto: Onnx_ValueInfoProto, in level: GraphLevel) {
    if !proto.docString.isEmpty { level.graph[id].documentation = proto.docString }
    if !proto.metadataProps.isEmpty { level.graph[id].metadata = dictionary(proto.metadataProps) }
    level.graph[id].metadata.merge(Denotation.metadata(of: proto.type)) { $1 }
  }

  /// Stores quantization annotations in the metadata of their tensors.
  private func importQuantization(
    _ annotations: [Onnx_TensorAnnotation], into frame: NameFrame
  ) {
    for annotation in annotations where frame.defines(annotation.tensorName) {
      guard case .value(let id)? = frame.resolve(annotation.tensorName) else { continue }
      for entry in annotation.quantParameterTensorNames {
        frame.level.graph[id].metadata[quantizationPrefix + entry.key] = entry.value
      }
    }
  }
}

/// The prefix of quantization annotations among a value's metadata.
let quantizationPrefix = "quantization_annotation."
