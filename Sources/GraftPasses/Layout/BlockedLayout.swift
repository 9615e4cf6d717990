import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Converts convolutional networks to the layout in which their kernels are fastest, with channels
/// in blocks of 16 (see ``BlockedConv``). It starts at convolutions with constant weights, and
/// continues through later nodes as far as possible. ToBlocked and FromBlocked convert between the
/// layouts. In training graphs, weights are parameters, which kernels pack in every run; gradients
/// follow their layers.
///
/// Run it last, and once: no other pass knows these operators.
package enum BlockedLayout: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    var blocks = BlockedGraph(graph)
    let shuffles = try ChannelShuffle.all(in: graph)
    var shuffling: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      if let shuffle = shuffles[index], let converted = convertShuffle(shuffle, &blocks) {
        blocks.append(converted)
        shuffling.formUnion(shuffle.nodes)
      }
      guard !shuffling.contains(index) else { continue }
      if let converted = try convert(node, &blocks) {
        blocks.append(converted)
      } else {
        blocks.appendPlanar(node)
      }
    }
    graph = blocks.finish()
    return blocks.hasForms
  }

  /// The node that computes the same in the blocked layout; `nil` if `node` stays planar.
  private static func convert(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard let type = OperatorCatalog.type(of: node) else { return nil }
    switch type {
    case is Conv.Type, is FusedConv.Type: return try convertConvolution(node, &blocks)
    case is MaxPool.Type: return try convertMaxPool(node, &blocks)
    case is AveragePool.Type: return follow(node, AveragePool.self, &blocks)
    case is GlobalAveragePool.Type: return follow(node, GlobalAveragePool.self, &blocks)
    case is BatchNormalization.Type: return try convertNormalization(node, &blocks)
    case is LRN.Type:
      let channels = blocks[node.inputs[0]]?.channels ?? 0
      return follow(node, LRN.self, &blocks)?.with(.channels, channels)
    case is Concat.Type: return try convertConcat(node, &blocks)
    case is Split.Type: return try convertSplit(node, &blocks)
    case is ConvolutionInputGradient.Type: return try BlockedGradients.ofImage(node, &blocks)
    case is ConvolutionWeightGradient.Type: return try BlockedGradients.ofWeights(node, &blocks)
    case is MaxPoolGradient.Type: return try BlockedGradients.ofMaxPool(node, &blocks)
    case is ReluGradient.Type, is ClipGradient.Type:
      return BlockedGradients.ofActivation(node, type.schema, &blocks)
    case is ReduceSum.Type: return try BlockedGradients.ofBias(node, &blocks)
    case is BatchNormalizationGradient.Type:
      return BlockedGradients.ofNormalization(node, &blocks)
    default:
      // Blocks hold floats.
      guard blocks.graph.elementType(node.outputs[0]) == .float else { return nil }
      if type.operandCount == 1 { return try convertUnary(node, type.schema, &blocks) }
      return try type.operandCount > 1 ? convertElementwise(node, &blocks) : nil
    }
  }

  /// The blocked form of a node with one output, if its image is in blocks.
  private static func follow<Base: BlockedForm>(
    _ node: Node, _ base: Base.Type, _ blocks: inout BlockedGraph
  ) -> Node? {
    guard let form = blocks[node.inputs.first ?? nil], node.outputs.count == 1 else { return nil }
    return blocks.convert(node, to: base, channels: form.channels)
  }

  // MARK: - Convolutions

  /// Images with at most this many channels are read in the planar layout.
  private static let fewChannels = 8

  private static func convertConvolution(
    _ node: Node, _ blocks: inout BlockedGraph
  ) throws -> Node? {
    guard node.inputs.count >= 2, let image = node.inputs[0],
      let weights = blocks.weightShape(node.inputs[1]),
      node.inputs.count < 3 || node.inputs[2] == nil
        || blocks.graph.constant(node.inputs[2]) != nil
        || node.inputs[2].flatMap({ blocks.graph.parameters[$0] }) != nil
    else { return nil }
    let groups = try ConvolutionAttributes(AttributeReader(node.attributes)).groupCount
    guard weights[0] % groups == 0 else { return nil }
    let (channels, perGroup) = (weights[0], weights[1])
    if groups > 1, perGroup == 1, channels == groups {
      guard blocks[image] != nil else { return nil }
      return blocks.convert(node, to: FusedConv.self, channels: channels)
    }
    let isPlanar = groups == 1 && blocks[image] == nil && perGroup <= fewChannels
    guard BlockedConv.accepts(weights: weights, groupCount: groups, isPlanar: isPlanar),
      groups == 1 || blocks.graph.constant(node.inputs[1]) != nil
    else { return nil }
    if isPlanar {
      blocks.requirePlanar(image)
    } else {
      _ = blocks.requireBlocked(image, channels: perGroup * groups)
    }
    let converted = blocks.convert(
      node, to: BlockedConv.schema, images: isPlanar ? [3] : [0, 3], channels: channels)
    return isPlanar ? converted.with(.planarInput, true) : converted
  }

  private static func convertMaxPool(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    if try node.operation(as: MaxPool.self)?.window.isTwoByTwo == true,
      let fused = fusePool(node, &blocks)
    {
      return fused
    }
    return follow(node, MaxPool.self, &blocks)
  }

  /// Lets the convolution before a pool write pooled results, if nothing else reads its own.
  private static func fusePool(_ pool: Node, _ blocks: inout BlockedGraph) -> Node? {
    guard pool.outputs.count == 1, let input = pool.inputs[0], let output = pool.outputs[0],
      let maker = blocks.unsharedMaker(of: input),
      maker.is(BlockedConv.self), !maker.has(.pools),
      blocks.graph.constant(maker.inputs[1])?.shape.suffix(2) == [3, 3]
    else { return nil }
    return blocks.fuse(into: input, output: output) { $0.set(.pools, true) }
  }

  // MARK: - Normalization

  private static func convertNormalization(
    _ node: Node, _ blocks: inout BlockedGraph
  ) throws -> Node? {
    guard node.inputs.count == 5, let form = blocks[node.inputs[0]] else { return nil }
    if try node.operation(as: BatchNormalization.self)?.isTraining == true {
      var converted = blocks.convert(
        node, to: BatchNormalization.self, channels: form.channels)
      converted.remove(.trainingMode)
      return converted
    }
    guard node.outputs.count == 1,
      let affine = try ChannelAffine(normalization: node, in: blocks.graph)
    else { return nil }
    var converted = blocks.convert(
      node, to: BlockedAffine.schema, images: [0], channels: form.channels)
    converted.inputs = [converted.inputs[0]]
    for vector in [affine.scale, affine.shift] {
      let tensor = try Tensor(vector.map(Float.init), shape: [vector.count])
      converted.inputs.append(blocks.graph.addConstant(tensor))
    }
    converted.attributes = [:]
    return converted
  }

  // MARK: - Channels

  private static func convertShuffle(
    _ shuffle: ChannelShuffle, _ blocks: inout BlockedGraph
  ) -> Node? {
    guard let form = blocks[shuffle.input], form.channels == shuffle.channels else { return nil }
    let output = blocks.addBlockedValue(for: shuffle.output, channels: form.channels)
    return Node(
      operatorType: "BlockedChannelShuffle", domain: "graft", inputs: [form.value],
      outputs: [output]
    ).with(.channels, form.channels).with(.shuffledGroups, shuffle.groups)
  }

  private static func convertConcat(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    let forms = node.inputs.compactMap { blocks[$0] }
    guard let output = node.outputs[0], forms.count == node.inputs.count,
      try node.operation(as: Concat.self)?.axis == 1,
      forms.dropLast().allSatisfy({ $0.channels % channelBlock == 0 })
    else { return nil }
    var converted = node
    converted.inputs = forms.map(\.value)
    let channels = forms.reduce(0) { $0 + $1.channels }
    converted.outputs = [blocks.addBlockedValue(for: output, channels: channels)]
    return converted
  }

  /// Parts of whole channel blocks, such as the gradients of concatenated values.
  private static func convertSplit(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard let form = blocks[node.inputs[0]], try node.operation(as: Split.self)?.axis == 1,
      let channels = try channelCounts(ofParts: node, blocks),
      channels.count == node.outputs.count, channels.reduce(0, +) == form.channels,
      channels.dropLast().allSatisfy({ $0 % channelBlock == 0 })
    else { return nil }
    var converted = node
    let counts = try Tensor(channels.map { Int64(blockCount($0)) }, shape: [channels.count])
    converted.inputs = [form.value, blocks.graph.addConstant(counts)]
    converted.outputs = zip(node.outputs, channels).map { output, channels in
      output.map { blocks.addBlockedValue(for: $0, channels: channels) }
    }
    return converted
  }

  /// The numbers of channels of a Split's outputs, from a constant or from the shapes of other
  /// values.
  private static func channelCounts(ofParts node: Node, _ blocks: BlockedGraph) throws -> [Int]? {
    guard node.inputs.count > 1, let id = node.inputs[1] else { return nil }
    if let constant = blocks.graph.constant(id) { return try constant.integers() }
    guard let concat = blocks.producer(id), concat.is(Concat.self) else { return nil }
    let counts = try concat.inputs.compactMap { input -> Int? in
      guard let value = try blocks.sourceOfShape(input, start: 1, end: 2),
        let shape = blocks.graph[value].type?.tensor?.shape, shape.count > 1
      else { return nil }
      return shape[1].known
    }
    return counts.count == concat.inputs.count ? counts : nil
  }

  // MARK: - Elementwise operators

  /// An operator with one computed input that treats all elements alike and keeps its settings.
  private static func convertUnary(
    _ node: Node, _ schema: OperatorSchema, _ blocks: inout BlockedGraph
  ) throws -> Node? {
    guard node.inputs.dropFirst().allSatisfy({ $0 == nil || blocks.graph.constant($0) != nil }),
      let form = blocks[node.inputs.first ?? nil], node.outputs.count == 1
    else { return nil }
    return try fuseRounding(node, &blocks) ?? fuseActivation(node, &blocks)
      ?? blocks.convert(node, to: schema, images: [0], channels: form.channels)
  }

  /// Fuses a rounding into the normalization before it, if nothing else reads the latter's result.
  private static func fuseRounding(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard node.is(RoundToType.self), let input = node.inputs[0], let output = node.outputs[0],
      let type = try AttributeReader(node.attributes).value(.narrowType),
      let maker = blocks.unsharedMaker(of: input), maker.is(BlockedAffine.self),
      !maker.has(.roundedTo)
    else { return nil }
    return blocks.fuse(into: input, output: output) { $0.set(.roundedTo, type) }
  }

  /// Fuses a Relu into the normalization before it, if nothing else reads the latter's result.
  private static func fuseActivation(_ node: Node, _ blocks: inout BlockedGraph) -> Node? {
    guard node.is(Relu.self), let input = node.inputs[0], let output = node.outputs[0],
      let maker = blocks.unsharedMaker(of: input),
      maker.is(BlockedAffine.self) || maker.is(Blocked<BatchNormalization>.self),
      !maker.has(.activation)
    else { return nil }
    return blocks.fuse(into: input, output: output) {
      $0.set(.activation, node.operatorType)
    }
  }

  /// An operator on corresponding elements of blocked values with equal channels, and of constants.
  private static func convertElementwise(
    _ node: Node, _ blocks: inout BlockedGraph
  ) throws -> Node? {
    let forms = node.inputs.map { blocks[$0] }
    guard node.outputs.count == 1, let output = node.outputs[0],
      let channels = forms.compactMap({ $0?.channels }).first,
      forms.allSatisfy({ $0 == nil || $0?.channels == channels })
    else { return nil }
    var operands: [Int: Tensor] = [:]
    for (position, form) in forms.enumerated() where form == nil {
      guard let constant = blocks.graph.constant(node.inputs[position]),
        let operand = try blockedOperand(constant, channels: channels)
      else { return nil }
      operands[position] = operand
    }
    var converted = node
    for (position, input) in node.inputs.enumerated() {
      converted.inputs[position] =
        operands[position].map { blocks.graph.addConstant($0) } ?? blocks[input]?.value
    }
    converted.outputs = [blocks.addBlockedValue(for: output, channels: channels)]
    return converted
  }

  /// A constant that broadcasts to [N, C, H, W], as one that broadcasts to blocks.
  ///
  /// - Returns: `nil` if it is neither a scalar nor one element a channel
  private static func blockedOperand(_ constant: Tensor, channels: Int) throws -> Tensor? {
    guard constant.elementType == .float, constant.rank <= 4 else { return nil }
    if constant.elementCount == 1 { return try constant.reshaped([]) }
    let shape = [Int](repeating: 1, count: 4 - constant.rank) + constant.shape
    guard shape == [1, channels, 1, 1] else { return nil }
    let blocks = blockCount(channels)
    var values = try constant.doubles().map(Float.init)
    // Any number would do; 1 leaves others as they are.
    values += [Float](repeating: 1, count: blocks * channelBlock - channels)
    return try Tensor(values, shape: [1, blocks, 1, 1, channelBlock])
  }
}
