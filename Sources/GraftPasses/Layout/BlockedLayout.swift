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
    var rewriter = BlockedLayoutRewriter(graph)
    try rewriter.rewrite()
    graph = rewriter.graph
    return rewriter.didChange
  }
}

/// Walks a graph in order and tracks both forms of values in the blocked layout.
struct BlockedLayoutRewriter {
  var graph: Graph
  /// The blocked form of a value, and its channels.
  struct Blocked {
    let value: ValueID
    let channels: Int
  }

  var blocked: [ValueID: Blocked] = [:]
  /// Values that exist in the planar layout.
  private(set) var planar: Set<ValueID> = []
  /// `nil` where a node went into a later one.
  private var nodes: [Node?] = []
  /// Where the node stands that makes a value.
  private var places: [ValueID: Int] = [:]
  var didChange: Bool { !blocked.isEmpty }
  /// Nodes that are fused into others, by index.
  private var skipped: Set<Int> = []
  private let useCounts: [ValueID: Int]
  private let producers: [ValueID: Int]

  init(_ graph: Graph) {
    self.graph = graph
    useCounts = graph.useCounts()
    producers = graph.producers()
  }

  /// The node that computes a value, before this pass.
  func producer(_ id: ValueID?) -> Node? { id.flatMap { producers[$0] }.map { graph.nodes[$0] } }

  /// The value whose extents from `start` on form this value, through a Shape.
  func sourceOfShape(_ id: ValueID?, start: Int = 0, end: Int? = nil) throws -> ValueID? {
    guard let node = producer(id), let shape = try node.operation(as: ShapeOperator.self),
      shape.start == start, shape.end == end
    else { return nil }
    return node.inputs[0]
  }

  mutating func rewrite() throws {
    let shuffles = try ChannelShuffle.all(in: graph)
    for (index, node) in graph.nodes.enumerated() {
      if let shuffle = shuffles[index], let converted = convertShuffle(shuffle) {
        append(converted)
        skipped.formUnion(shuffle.nodes)
      }
      guard !skipped.contains(index) else { continue }
      if let converted = try convert(node) {
        append(converted)
        continue
      }
      for case let input? in node.inputs { convertToPlanar(input) }
      for body in node.bodies {
        for outer in body.captures.values { convertToPlanar(outer) }
      }
      append(node)
      for case let output? in node.outputs { planar.insert(output) }
    }
    for output in graph.outputs { convertToPlanar(output) }
    for update in graph.updates { convertToPlanar(update.newValue) }
    graph.nodes = nodes.compactMap { $0 }
  }

  mutating func append(_ node: Node) {
    for case let output? in node.outputs { places[output] = nodes.count }
    nodes.append(node)
  }

  /// The node that makes the blocked form of a value that only one node reads.
  func unsharedMaker(of value: ValueID) -> Node? {
    guard useCounts[value] == 1, !planar.contains(value), let form = blocked[value] else {
      return nil
    }
    return places[form.value].flatMap { nodes[$0] }
  }

  /// Takes out the node that makes the blocked form of a value: changed, it makes that of `output`.
  mutating func fuse(
    into value: ValueID, output: ValueID, _ change: (inout Node) -> Void
  ) -> Node? {
    guard let form = blocked.removeValue(forKey: value), let place = places[form.value],
      var node = nodes[place]
    else { return nil }
    nodes[place] = nil
    change(&node)
    node.outputs[0] = addBlockedValue(for: output, channels: form.channels)
    return node
  }

  /// Converts a value to the planar layout, unless it exists there.
  private mutating func convertToPlanar(_ value: ValueID) {
    guard let form = blocked[value], !planar.contains(value) else { return }
    append(
      Node(
        operatorType: "FromBlocked", domain: "graft", inputs: [form.value], outputs: [value],
        attributes: ["channels": .int(form.channels)]))
    planar.insert(value)
  }

  /// The blocked form of a value, converted if necessary.
  mutating func requireBlocked(_ value: ValueID, channels: Int) -> ValueID {
    if let form = blocked[value] { return form.value }
    let form = addBlockedValue(for: value, channels: channels)
    append(
      Node(operatorType: "ToBlocked", domain: "graft", inputs: [value], outputs: [form]))
    planar.insert(value)
    return form
  }

  /// A new value for the blocked form of `value`.
  mutating func addBlockedValue(for value: ValueID, channels: Int) -> ValueID {
    var type: ValueType?
    if let shape = graph[value].type?.tensor?.shape, shape.count == 4 {
      let spatial = [shape[2], shape[3]]
      type = .tensor(
        TensorType(
          .float, [shape[0], .known(blockCount(channels))] + spatial + [.known(channelBlock)]))
    }
    let form = graph.addValue(name: "\(graph[value].name)_blocked", type: type)
    blocked[value] = Blocked(value: form, channels: channels)
    return form
  }

  /// The node that computes the same in the blocked layout; `nil` if `node` stays planar.
  private mutating func convert(_ node: Node) throws -> Node? {
    guard let type = OperatorCatalog.type(of: node) else { return nil }
    switch type {
    case is Conv.Type, is FusedConv.Type: return try convertConvolution(node)
    case is MaxPool.Type: return try convertMaxPool(node)
    case is AveragePool.Type: return follow(node, as: BlockedAveragePool.schema)
    case is GlobalAveragePool.Type: return follow(node, as: BlockedGlobalAveragePool.schema)
    case is BatchNormalization.Type: return try convertNormalization(node)
    case is LRN.Type: return convertLRN(node)
    case is Concat.Type: return try convertConcat(node)
    case is Split.Type: return try convertSplit(node)
    case is ConvolutionInputGradient.Type: return try convertInputGradient(node)
    case is ConvolutionWeightGradient.Type: return try convertWeightGradient(node)
    case is MaxPoolGradient.Type: return try convertMaxPoolGradient(node)
    case is ReluGradient.Type, is ClipGradient.Type: return convertActivationGradient(node)
    case is ReduceSum.Type: return try convertChannelSum(node)
    case is BatchNormalizationGradient.Type: return convertNormalizationGradient(node)
    default:
      // Blocks hold floats.
      guard graph.elementType(node.outputs[0]) == .float, try keepsPaddingFinite(node) else {
        return nil
      }
      if type.operandCount == 1 { return convertUnary(node, type.schema) }
      return try type.operandCount > 1 ? convertElementwise(node) : nil
    }
  }

  /// The shape [M, C, kH, kW] of constant or trained weights.
  func weightShape(_ id: ValueID?) -> Shape? {
    guard let id, let tensor = graph.constants[id] ?? graph.parameters[id],
      tensor.elementType == .float, tensor.rank == 4, tensor.elementCount > 0
    else { return nil }
    return tensor.shape
  }

  /// Images with at most this many channels are read in the planar layout.
  private static let fewChannels = 8

  private mutating func convertConvolution(_ node: Node) throws -> Node? {
    guard node.inputs.count >= 2, let image = node.inputs[0], let output = node.outputs[0],
      let weights = weightShape(node.inputs[1]),
      node.inputs.count < 3 || node.inputs[2] == nil || graph.constant(node.inputs[2]) != nil
        || node.inputs[2].flatMap({ graph.parameters[$0] }) != nil
    else { return nil }
    let groups = try ConvolutionAttributes(AttributeReader(node.attributes)).groupCount
    guard weights[0] % groups == 0 else { return nil }
    let (channels, perGroup) = (weights[0], weights[1])
    let isDepthwise = groups > 1 && perGroup == 1 && channels == groups
    let isPlanar =
      groups == 1 && blocked[image] == nil && perGroup <= BlockedLayoutRewriter.fewChannels
    if isDepthwise {
      guard blocked[image] != nil else { return nil }
    } else {
      guard BlockedConv.accepts(weights: weights, groupCount: groups, isPlanar: isPlanar),
        groups == 1 || graph.constant(node.inputs[1]) != nil
      else { return nil }
    }
    var converted = node
    converted.become(isDepthwise ? BlockedDepthwiseConv.schema : BlockedConv.schema)
    if isPlanar {
      converted.attributes["planar_input"] = .int(1)
      convertToPlanar(image)
    } else {
      converted.inputs[0] = requireBlocked(image, channels: perGroup * groups)
    }
    if node.inputs.count > 3, let residual = node.inputs[3] {
      converted.inputs[3] = requireBlocked(residual, channels: channels)
    }
    converted.outputs = [addBlockedValue(for: output, channels: channels)]
    return converted
  }

  /// A node with one computed input, as one of another operator if that input is blocked.
  mutating func follow(_ node: Node, as schema: OperatorSchema) -> Node? {
    guard let input = node.inputs.first ?? nil, let form = blocked[input],
      node.outputs.count == 1, let output = node.outputs[0]
    else { return nil }
    var converted = node
    converted.become(schema)
    converted.inputs[0] = form.value
    converted.outputs = [addBlockedValue(for: output, channels: form.channels)]
    return converted
  }

  private mutating func convertLRN(_ node: Node) -> Node? {
    guard var converted = follow(node, as: BlockedLRN.schema), let input = node.inputs[0],
      let form = blocked[input]
    else { return nil }
    converted.attributes["channels"] = .int(form.channels)
    return converted
  }

  private mutating func convertShuffle(_ shuffle: ChannelShuffle) -> Node? {
    guard let form = blocked[shuffle.input], form.channels == shuffle.channels else { return nil }
    return Node(
      operatorType: "BlockedChannelShuffle", domain: "graft", inputs: [form.value],
      outputs: [addBlockedValue(for: shuffle.output, channels: form.channels)],
      attributes: ["channels": .int(form.channels), "groups": .int(shuffle.groups)])
  }

  private mutating func convertConcat(_ node: Node) throws -> Node? {
    let forms = node.inputs.compactMap { $0.flatMap { blocked[$0] } }
    guard let output = node.outputs[0], forms.count == node.inputs.count,
      try node.operation(as: Concat.self)?.axis == 1,
      forms.dropLast().allSatisfy({ $0.channels % channelBlock == 0 })
    else { return nil }
    var converted = node
    converted.inputs = forms.map(\.value)
    converted.outputs = [
      addBlockedValue(for: output, channels: forms.reduce(0) { $0 + $1.channels })
    ]
    return converted
  }

  /// Parts of whole channel blocks, such as the gradients of concatenated values.
  private mutating func convertSplit(_ node: Node) throws -> Node? {
    guard let form = node.inputs[0].flatMap({ blocked[$0] }),
      try node.operation(as: Split.self)?.axis == 1
    else { return nil }
    guard let channels = try channelCounts(ofParts: node), channels.count == node.outputs.count,
      channels.reduce(0, +) == form.channels,
      channels.dropLast().allSatisfy({ $0 % channelBlock == 0 })
    else { return nil }
    var converted = node
    let counts = channels.map { Int64(blockCount($0)) }
    converted.inputs = [form.value, graph.addConstant(try Tensor(counts, shape: [counts.count]))]
    converted.outputs = zip(node.outputs, channels).map { output, channels in
      output.map { addBlockedValue(for: $0, channels: channels) }
    }
    converted.attributes["num_outputs"] = nil
    return converted
  }

  /// The numbers of channels of a Split's outputs, from a constant or from the shapes of other
  /// values.
  private func channelCounts(ofParts node: Node) throws -> [Int]? {
    guard node.inputs.count > 1, let id = node.inputs[1] else { return nil }
    if let constant = graph.constant(id) { return try constant.integers() }
    guard let concat = producer(id), concat.is(Concat.self) else { return nil }
    let counts = try concat.inputs.compactMap { input -> Int? in
      guard let value = try sourceOfShape(input, start: 1, end: 2),
        let shape = graph[value].type?.tensor?.shape, shape.count > 1
      else { return nil }
      return shape[1].known
    }
    return counts.count == concat.inputs.count ? counts : nil
  }

  /// An operator with one computed input that treats all elements alike and keeps its settings.
  private mutating func convertUnary(_ node: Node, _ schema: OperatorSchema) -> Node? {
    guard node.inputs.dropFirst().allSatisfy({ $0 == nil || graph.constant($0) != nil }) else {
      return nil
    }
    return fuseRounding(node) ?? fuseActivation(node) ?? follow(node, as: schema)
  }

  /// An operator on corresponding elements of blocked values with equal channels, and of constants.
  private mutating func convertElementwise(_ node: Node) throws -> Node? {
    let forms = node.inputs.map { $0.flatMap { blocked[$0] } }
    guard node.outputs.count == 1, let output = node.outputs[0],
      let channels = forms.compactMap({ $0?.channels }).first,
      forms.allSatisfy({ $0 == nil || $0?.channels == channels })
    else { return nil }
    var converted = node
    for (position, form) in forms.enumerated() {
      if let form {
        converted.inputs[position] = form.value
      } else {
        guard let constant = graph.constant(node.inputs[position]),
          let operand = try blockedOperand(constant, channels: channels)
        else { return nil }
        converted.inputs[position] = graph.addConstant(operand)
      }
    }
    converted.outputs = [addBlockedValue(for: output, channels: channels)]
    return converted
  }

  /// Whether an elementwise operator maps the lanes that fill up the last block, 0 after a
  /// convolution, to finite numbers. The next convolution multiplies them by zero weights.
  private func keepsPaddingFinite(_ node: Node) throws -> Bool {
    let channels = node.inputs.lazy.compactMap { $0.flatMap { blocked[$0]?.channels } }.first
    guard let channels, channels % channelBlock != 0 else { return true }
    let inputs = try node.inputs.map { id -> RuntimeValue? in
      guard let id else { return nil }
      if blocked[id] != nil { return .tensor(try Tensor([0] as [Float], shape: [1])) }
      guard let constant = graph.constant(id) else { return nil }
      if constant.elementCount == 1 { return .tensor(constant) }
      return .tensor(try Tensor([1] as [Float], shape: [1]))
    }
    let outputs = try? evaluate(
      OperatorCatalog.make(node), inputs: inputs, wantedOutputs: node.outputs.map { $0 != nil })
    guard case .tensor(let result)? = outputs?.first, let floats = try? result.floats() else {
      return true
    }
    return floats.allSatisfy(\.isFinite)
  }

  /// A constant that broadcasts to [N, C, H, W], as one that broadcasts to blocks.
  ///
  /// - Returns: `nil` if it is neither a scalar nor one element a channel
  private func blockedOperand(_ constant: Tensor, channels: Int) throws -> Tensor? {
    guard constant.elementType == .float, constant.rank <= 4 else { return nil }
    if constant.elementCount == 1 { return try constant.reshaped([]) }
    let shape = [Int](repeating: 1, count: 4 - constant.rank) + constant.shape
    guard shape == [1, channels, 1, 1] else { return nil }
    let blocks = blockCount(channels)
    var values = try constant.doubles().map(Float.init)
    // The padding lanes hold 1, so that a division by them gives no infinity.
    values += [Float](repeating: 1, count: blocks * channelBlock - channels)
    return try Tensor(values, shape: [1, blocks, 1, 1, channelBlock])
  }
}
