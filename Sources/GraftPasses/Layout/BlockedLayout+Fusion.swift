import GraftFiles
import GraftGraph
import GraftTensor

/// Layers that the blocked layout fuses into those before them, and normalization.
extension BlockedLayoutRewriter {
  mutating func convertPool(_ node: Node) throws -> Node? {
    guard let input = node.inputs.first ?? nil, blocked[input] != nil, node.outputs.count == 1
    else { return nil }
    if try poolsSquares(node), let fused = fuse(node, into: input) { return fused }
    return follow(node, as: "Blocked\(node.operatorType)")
  }

  /// Whether a pool takes the maximum of 2 x 2 squares that do not overlap.
  private func poolsSquares(_ node: Node) throws -> Bool {
    let attributes = AttributeReader(node.attributes)
    func are(_ name: String, _ value: Int) throws -> Bool {
      try attributes.ints(name)?.allSatisfy { $0 == value } ?? (value != 2)
    }
    return try node.operatorType == "MaxPool" && are("kernel_shape", 2) && are("strides", 2)
      && are("pads", 0) && are("dilations", 1) && attributes.int("ceil_mode", default: 0) == 0
      && ["NOTSET", "VALID"].contains(attributes.string("auto_pad") ?? "NOTSET")
  }

  /// Lets the convolution before a pool write pooled results, if nothing else reads its own.
  private mutating func fuse(_ pool: Node, into input: ValueID) -> Node? {
    guard let form = unsharedForm(of: input), let output = pool.outputs[0],
      let index = nodes.lastIndex(where: { $0.outputs.contains(form.value) }),
      nodes[index].operatorType == "BlockedConv", nodes[index].attributes["pools"] == nil,
      graph.constant(nodes[index].inputs[1])?.shape.suffix(2) == [3, 3]
    else { return nil }
    var fused = nodes.remove(at: index)
    blocked[input] = nil
    fused.attributes["pools"] = .int(1)
    fused.outputs = [makeBlocked(of: output, channels: form.channels)]
    return fused
  }

  mutating func convertNormalization(_ node: Node) throws -> Node? {
    guard node.inputs.count == 5, let input = node.inputs[0], let form = blocked[input] else {
      return nil
    }
    if try AttributeReader(node.attributes).flag("training_mode") {
      var converted = node
      converted.domain = "graft"
      converted.operatorType = "BlockedBatchNormalization"
      converted.attributes["training_mode"] = nil
      converted.inputs[0] = form.value
      if let output = node.outputs[0] {
        converted.outputs[0] = makeBlocked(of: output, channels: form.channels)
      }
      return converted
    }
    guard node.outputs.count == 1,
      let affine = try ChannelAffine(batchNormalization: node, in: graph),
      var converted = follow(node, as: "BlockedAffine")
    else { return nil }
    converted.inputs = [
      converted.inputs[0],
      graph.addConstant(try Tensor(affine.scale.map(Float.init), shape: [affine.scale.count])),
      graph.addConstant(try Tensor(affine.shift.map(Float.init), shape: [affine.shift.count])),
    ]
    converted.attributes = [:]
    return converted
  }

  /// The blocked form of a value with a single reader, unless something needs its planar form.
  func unsharedForm(of value: ValueID) -> Blocked? {
    guard useCounts[value] == 1, !planar.contains(value) else { return nil }
    return blocked[value]
  }

  private static let activated: Set = ["BlockedAffine", "BlockedBatchNormalization"]

  /// Fuses a rounding into the normalization before it, if nothing else reads the latter's result.
  mutating func fuseRounding(_ node: Node) throws -> Node? {
    guard let input = node.inputs[0], let output = node.outputs[0],
      let form = unsharedForm(of: input),
      let index = nodes.lastIndex(where: { $0.outputs.contains(form.value) }),
      nodes[index].operatorType == "BlockedAffine", nodes[index].attributes["rounded_to"] == nil
    else { return nil }
    var fused = nodes.remove(at: index)
    blocked[input] = nil
    fused.attributes["rounded_to"] = node.attributes["to"]
    fused.outputs[0] = makeBlocked(of: output, channels: form.channels)
    return fused
  }

  /// Fuses a Relu into the normalization before it, if nothing else reads the latter's result.
  mutating func fuseActivation(_ node: Node) -> Node? {
    guard node.operatorType == "Relu", let input = node.inputs[0], let output = node.outputs[0],
      let form = unsharedForm(of: input),
      let index = nodes.lastIndex(where: { $0.outputs.contains(form.value) }),
      BlockedLayoutRewriter.activated.contains(nodes[index].operatorType),
      nodes[index].attributes["activation"] == nil
    else { return nil }
    var fused = nodes.remove(at: index)
    blocked[input] = nil
    fused.attributes["activation"] = .string("Relu")
    fused.outputs[0] = makeBlocked(of: output, channels: form.channels)
    return fused
  }
}
