import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension BlockedLayoutRewriter {
  func isBlocked(_ id: ValueID?) -> Bool { id.map { blocked[$0] != nil } ?? false }

  /// The weights' shape from the third input: a constant, or the Shape of a parameter.
  private func weightShape(ofGradient node: Node) throws -> Shape? {
    guard node.inputs.count > 2, let id = node.inputs[2] else { return nil }
    if let constant = graph.constant(id) { return try constant.integers() }
    guard let weights = try sourceOfShape(id) else { return nil }
    return graph[weights].type?.tensor?.shape?.knownShape
  }

  mutating func convertWeightGradient(_ node: Node) throws -> Node? {
    guard node.inputs.count >= 2, let image = node.inputs[0], let arriving = node.inputs[1],
      let shape = try weightShape(ofGradient: node), shape.count == 4, shape.elementCount > 0,
      graph[image].type?.tensor?.elementType == .float,
      isBlocked(image) || isBlocked(arriving)
    else { return nil }
    let groupCount = try ConvolutionAttributes(AttributeReader(node.attributes)).groupCount
    let isDepthwise = groupCount > 1 && shape[0] == groupCount && shape[1] == 1
    guard groupCount == 1 || isDepthwise else { return nil }
    var converted = node
    converted.become(
      isDepthwise ? BlockedDepthwiseWeightGradient.schema : BlockedConvWeightGradient.schema)
    converted.inputs = [
      requireBlocked(image, channels: shape[1] * groupCount),
      requireBlocked(arriving, channels: shape[0]),
    ]
    converted.attributes["weights_shape"] = .ints(shape)
    return converted
  }

  mutating func convertMaxPoolGradient(_ node: Node) throws -> Node? {
    guard let arriving = node.inputs[0], let input = node.inputs[1], let output = node.outputs[0],
      let form = blocked[input],
      try node.operation(as: MaxPoolGradient.self)?.window.kernel.count == 2
    else { return nil }
    var converted = node
    converted.become(BlockedMaxPoolGradient.schema)
    converted.inputs = [requireBlocked(arriving, channels: form.channels), form.value]
    converted.outputs = [addBlockedValue(for: output, channels: form.channels)]
    return converted
  }

  /// A gradient that passes depending on the activation's result.
  mutating func convertActivationGradient(_ node: Node) -> Node? {
    guard let arriving = node.inputs[0], let result = node.inputs[1], let output = node.outputs[0],
      let form = blocked[arriving] ?? blocked[result]
    else { return nil }
    if node.is(ReluGradient.self),
      let fused = fuseReluGradient(of: arriving, result: result, output: output)
    {
      return fused
    }
    var converted = node
    converted.inputs[0] = requireBlocked(arriving, channels: form.channels)
    converted.inputs[1] = requireBlocked(result, channels: form.channels)
    converted.outputs = [addBlockedValue(for: output, channels: form.channels)]
    return converted
  }

  /// Fuses the gradient of a Relu into that of the pool after it, if nothing else reads the
  /// latter's result.
  private mutating func fuseReluGradient(
    of arriving: ValueID, result: ValueID, output: ValueID
  ) -> Node? {
    guard let maker = unsharedMaker(of: arriving), maker.is(BlockedMaxPoolGradient.self),
      let input = blocked[result], maker.inputs[1] == input.value
    else { return nil }
    return fuse(into: arriving, output: output) { $0.attributes["follows_relu"] = .int(1) }
  }

  /// The gradient of a bias.
  func convertChannelSum(_ node: Node) throws -> Node? {
    guard let input = node.inputs[0], let form = blocked[input], node.inputs.count == 2,
      let axes = try graph.constant(node.inputs[1])?.integers(), Set(axes) == [0, 2, 3],
      try node.operation(as: ReduceSum.self)?.form.keepsAxes == false
    else { return nil }
    return Node(
      name: node.name, operatorType: "BlockedChannelSum", domain: "graft", inputs: [form.value],
      outputs: node.outputs, attributes: ["channels": .int(form.channels)])
  }

  mutating func convertNormalizationGradient(_ node: Node) -> Node? {
    guard node.inputs.count == 3, let arriving = node.inputs[0], let image = node.inputs[1],
      let form = blocked[image] ?? blocked[arriving]
    else { return nil }
    var converted = node
    converted.become(BlockedBatchNormalizationGradient.schema)
    converted.inputs[0] = requireBlocked(arriving, channels: form.channels)
    converted.inputs[1] = requireBlocked(image, channels: form.channels)
    if let output = node.outputs[0] {
      converted.outputs[0] = addBlockedValue(for: output, channels: form.channels)
    }
    return converted
  }
}
