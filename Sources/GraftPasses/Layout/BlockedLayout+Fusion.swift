import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Layers that the blocked layout fuses into those before them, and normalization.
extension BlockedLayoutRewriter {
  mutating func convertMaxPool(_ node: Node) throws -> Node? {
    guard let input = node.inputs.first ?? nil, blocked[input] != nil, node.outputs.count == 1
    else { return nil }
    if try node.operation(as: MaxPool.self)?.window.isTwoByTwo == true,
      let fused = fuse(node, into: input)
    {
      return fused
    }
    return follow(node, as: BlockedMaxPool.schema)
  }

  /// Lets the convolution before a pool write pooled results, if nothing else reads its own.
  private mutating func fuse(_ pool: Node, into input: ValueID) -> Node? {
    guard let output = pool.outputs[0], let maker = unsharedMaker(of: input),
      maker.is(BlockedConv.self), maker.attributes["pools"] == nil,
      graph.constant(maker.inputs[1])?.shape.suffix(2) == [3, 3]
    else { return nil }
    return fuse(into: input, output: output) { $0.attributes["pools"] = .int(1) }
  }

  mutating func convertNormalization(_ node: Node) throws -> Node? {
    guard node.inputs.count == 5, let input = node.inputs[0], let form = blocked[input] else {
      return nil
    }
    if try node.operation(as: BatchNormalization.self)?.isTraining == true {
      var converted = node
      converted.become(BlockedBatchNormalization.schema)
      converted.attributes["training_mode"] = nil
      converted.inputs[0] = form.value
      if let output = node.outputs[0] {
        converted.outputs[0] = addBlockedValue(for: output, channels: form.channels)
      }
      return converted
    }
    guard node.outputs.count == 1,
      let affine = try ChannelAffine(normalization: node, in: graph),
      var converted = follow(node, as: BlockedAffine.schema)
    else { return nil }
    converted.inputs = [
      converted.inputs[0],
      graph.addConstant(try Tensor(affine.scale.map(Float.init), shape: [affine.scale.count])),
      graph.addConstant(try Tensor(affine.shift.map(Float.init), shape: [affine.shift.count])),
    ]
    converted.attributes = [:]
    return converted
  }

  /// Fuses a rounding into the normalization before it, if nothing else reads the latter's result.
  mutating func fuseRounding(_ node: Node) -> Node? {
    guard node.is(RoundToType.self), let input = node.inputs[0], let output = node.outputs[0],
      let maker = unsharedMaker(of: input), maker.is(BlockedAffine.self),
      maker.attributes["rounded_to"] == nil
    else { return nil }
    return fuse(into: input, output: output) { $0.attributes["rounded_to"] = node.attributes["to"] }
  }

  /// Fuses a Relu into the normalization before it, if nothing else reads the latter's result.
  mutating func fuseActivation(_ node: Node) -> Node? {
    guard node.is(Relu.self), let input = node.inputs[0], let output = node.outputs[0],
      let maker = unsharedMaker(of: input),
      maker.is(BlockedAffine.self) || maker.is(BlockedBatchNormalization.self),
      maker.attributes["activation"] == nil
    else { return nil }
    return fuse(into: input, output: output) {
      $0.attributes["activation"] = .string(Relu.schema.name)
    }
  }
}
