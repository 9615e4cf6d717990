import GraftFiles
import GraftGraph
import GraftTensor

extension BlockedLayoutRewriter {
  /// The node that computes a gradient in the blocked layout; `nil` if the node stays planar.
  mutating func convertGradient(_ node: Node) throws -> Node? {
    switch node.operatorType {
    case "ConvolutionInputGradient": try convertInputGradient(node)
    case "ConvolutionWeightGradient": try convertWeightGradient(node)
    case "MaxPoolGradient": try convertMaxPoolGradient(node)
    case "ReluGradient", "ClipGradient": convertActivationGradient(node)
    case "ReduceSum": try convertChannelSum(node)
    case "BatchNormalizationGradient": convertNormalizationGradient(node)
    default: nil
    }
  }

  func isBlocked(_ id: ValueID?) -> Bool { id.map { blocked[$0] != nil } ?? false }

  /// The weights' shape from the third input: a constant, or the Shape of a parameter.
  private func weightShape(ofGradient node: Node) throws -> Shape? {
    guard node.inputs.count > 2, let id = node.inputs[2] else { return nil }
    if let constant = graph.constant(id) { return try constant.integers() }
    guard let weights = try sourceOfShape(id) else { return nil }
    return graph[weights].type?.tensor?.shape?.knownShape
  }

  private mutating func convertWeightGradient(_ node: Node) throws -> Node? {
    guard node.inputs.count >= 2, let image = node.inputs[0], let arriving = node.inputs[1],
      let shape = try weightShape(ofGradient: node), shape.count == 4, shape.elementCount > 0,
      graph[image].type?.tensor?.elementType == .float,
      isBlocked(image) || isBlocked(arriving)
    else { return nil }
    let groupCount = try AttributeReader(node.attributes).int("group", default: 1)
    let isDepthwise = groupCount > 1 && shape[0] == groupCount && shape[1] == 1
    guard groupCount == 1 || isDepthwise else { return nil }
    var converted = node
    converted.operatorType =
      isDepthwise ? "BlockedDepthwiseWeightGradient" : "BlockedConvWeightGradient"
    converted.inputs = [
      requireBlocked(image, channels: shape[1] * groupCount),
      requireBlocked(arriving, channels: shape[0]),
    ]
    converted.attributes["weights_shape"] = .ints(shape)
    return converted
  }

  private mutating func convertMaxPoolGradient(_ node: Node) throws -> Node? {
    guard let arriving = node.inputs[0], let input = node.inputs[1], let output = node.outputs[0],
      let form = blocked[input],
      try AttributeReader(node.attributes).ints("kernel_shape")?.count == 2
    else { return nil }
    var converted = node
    converted.operatorType = "BlockedMaxPoolGradient"
    converted.inputs = [requireBlocked(arriving, channels: form.channels), form.value]
    converted.outputs = [makeBlocked(of: output, channels: form.channels)]
    return converted
  }

  /// A gradient that passes depending on the activation's result.
  private mutating func convertActivationGradient(_ node: Node) -> Node? {
    guard let arriving = node.inputs[0], let result = node.inputs[1], let output = node.outputs[0],
      let form = blocked[arriving] ?? blocked[result]
    else { return nil }
    if node.operatorType == "ReluGradient",
      let fused = fuseReluGradient(of: arriving, result: result, output: output)
    {
      return fused
    }
    var converted = node
    converted.inputs[0] = requireBlocked(arriving, channels: form.channels)
    converted.inputs[1] = requireBlocked(result, channels: form.channels)
    converted.outputs = [makeBlocked(of: output, channels: form.channels)]
    return converted
  }

  /// Fuses the gradient of a Relu into that of the pool after it, if nothing else reads the
  /// latter's result.
  private mutating func fuseReluGradient(
    of arriving: ValueID, result: ValueID, output: ValueID
  ) -> Node? {
    guard let form = unsharedForm(of: arriving), let input = blocked[result],
      let index = nodes.lastIndex(where: { $0.outputs == [form.value] }),
      nodes[index].operatorType == "BlockedMaxPoolGradient", nodes[index].inputs[1] == input.value
    else { return nil }
    var fused = nodes.remove(at: index)
    blocked[arriving] = nil
    fused.attributes["follows_relu"] = .int(1)
    fused.outputs = [makeBlocked(of: output, channels: form.channels)]
    return fused
  }

  /// The gradient of a bias.
  private func convertChannelSum(_ node: Node) throws -> Node? {
    guard let input = node.inputs[0], let form = blocked[input], node.inputs.count == 2,
      let axes = try graph.constant(node.inputs[1])?.integers(), Set(axes) == [0, 2, 3],
      try AttributeReader(node.attributes).int("keepdims", default: 1) == 0
    else { return nil }
    return Node(
      name: node.name, operatorType: "BlockedChannelSum", domain: "graft", inputs: [form.value],
      outputs: node.outputs, attributes: ["channels": .int(form.channels)])
  }

  private mutating func convertNormalizationGradient(_ node: Node) -> Node? {
    guard node.inputs.count == 3, let arriving = node.inputs[0], let image = node.inputs[1],
      let form = blocked[image] ?? blocked[arriving]
    else { return nil }
    var converted = node
    converted.operatorType = "BlockedBatchNormalizationGradient"
    converted.inputs[0] = requireBlocked(arriving, channels: form.channels)
    converted.inputs[1] = requireBlocked(image, channels: form.channels)
    if let output = node.outputs[0] {
      converted.outputs[0] = makeBlocked(of: output, channels: form.channels)
    }
    return converted
  }
}
