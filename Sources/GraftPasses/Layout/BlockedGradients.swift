import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Converts the nodes of gradients to the blocked layout; each returns `nil` if its node stays
/// planar.
enum BlockedGradients {
  /// The gradient of a convolution's image is a convolution of the output gradient with the rotated
  /// weights; with strides, zeros are inserted between the positions.
  static func ofImage(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard node.inputs.count >= 2, let arriving = node.inputs[0], let weights = node.inputs[1],
      let output = node.outputs[0], let shape = blocks.weightShape(weights)
    else { return nil }
    let attributes = try ConvolutionAttributes(AttributeReader(node.attributes))
    let groupCount = attributes.groupCount
    if groupCount > 1, shape[0] == groupCount, shape[1] == 1 {
      return blocks.convert(node, to: ConvolutionInputGradient.self, channels: groupCount)
    }
    let transposed = [shape[1], shape[0], shape[2], shape[3]]
    guard groupCount == 1,
      let geometry = ImageGradientGeometry(
        attributes, kernel: Array(shape[2...]), image: try imageExtents(ofGradient: node, blocks)),
      BlockedConv.accepts(weights: transposed, groupCount: 1, isPlanar: false)
    else { return nil }
    let image = blocks.requireBlocked(arriving, channels: shape[0])
    let kernel = blocks.graph.addValue(
      name: "\(blocks.graph[weights].name)/transposed",
      type: .tensor(TensorType(.float, [Dimension](transposed))))
    blocks.append(
      Node(
        operatorType: "TransposedKernel", domain: "graft", inputs: [weights], outputs: [kernel]))
    let result = blocks.addBlockedValue(for: output, channels: shape[1])
    guard geometry.strides != [1, 1] else {
      return geometry.convolution(named: node.name, of: image, kernel, to: result)
    }
    let middle = blocks.graph.addValue(name: "\(blocks.graph[output].name)/spread")
    if geometry.reach == [0, 0] {
      // Before zeros are inserted, so that they are not multiplied.
      blocks.append(geometry.convolution(named: node.name, of: image, kernel, to: middle))
      return geometry.insertion(named: node.name, of: middle, to: result)
    }
    blocks.append(geometry.insertion(named: node.name, of: image, to: middle))
    return geometry.convolution(named: node.name, of: middle, kernel, to: result)
  }

  /// The height and width of the image whose gradient a node computes, from its third input, a
  /// Shape.
  private static func imageExtents(
    ofGradient node: Node, _ blocks: BlockedGraph
  ) throws -> [Int]? {
    guard node.inputs.count > 2, let id = node.inputs[2] else { return nil }
    if let constant = blocks.graph.constant(id) {
      return try Array(constant.integers().dropFirst(2))
    }
    guard let image = try blocks.sourceOfShape(id),
      let shape = blocks.graph[image].type?.tensor?.shape, shape.count == 4,
      let height = shape[2].known, let width = shape[3].known
    else { return nil }
    return [height, width]
  }

  static func ofWeights(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard node.inputs.count >= 2, let image = node.inputs[0], let arriving = node.inputs[1],
      let shape = try weightShape(ofGradient: node, blocks), shape.count == 4,
      shape.elementCount > 0, blocks.graph.elementType(image) == .float,
      blocks[image] != nil || blocks[arriving] != nil
    else { return nil }
    let groupCount = try ConvolutionAttributes(AttributeReader(node.attributes)).groupCount
    let isDepthwise = groupCount > 1 && shape[0] == groupCount && shape[1] == 1
    guard groupCount == 1 || isDepthwise else { return nil }
    var converted = node
    converted.become(
      isDepthwise ? BlockedDepthwiseWeightGradient.schema : BlockedConvWeightGradient.schema)
    converted.inputs = [
      blocks.requireBlocked(image, channels: shape[1] * groupCount),
      blocks.requireBlocked(arriving, channels: shape[0]),
    ]
    return converted.with(.weightsShape, shape)
  }

  /// The weights' shape from the third input: a constant, or the Shape of a parameter.
  private static func weightShape(ofGradient node: Node, _ blocks: BlockedGraph) throws -> Shape? {
    guard node.inputs.count > 2, let id = node.inputs[2] else { return nil }
    if let constant = blocks.graph.constant(id) { return try constant.integers() }
    guard let weights = try blocks.sourceOfShape(id) else { return nil }
    return blocks.graph[weights].type?.tensor?.shape?.knownShape
  }

  static func ofBias(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard let form = blocks[node.inputs[0]], node.inputs.count == 2,
      let axes = try blocks.graph.constant(node.inputs[1])?.integers(), Set(axes) == [0, 2, 3],
      try node.operation(as: ReduceSum.self)?.form.keepsAxes == false
    else { return nil }
    return Node(
      name: node.name, operatorType: "BlockedChannelSum", domain: "graft", inputs: [form.value],
      outputs: node.outputs
    ).with(.channels, form.channels)
  }

  static func ofMaxPool(_ node: Node, _ blocks: inout BlockedGraph) throws -> Node? {
    guard let form = blocks[node.inputs[1]],
      try node.operation(as: MaxPoolGradient.self)?.window.kernel.count == 2
    else { return nil }
    return blocks.convert(node, to: MaxPoolGradient.self, channels: form.channels)
  }

  /// A gradient that passes depending on the activation's result.
  static func ofActivation(
    _ node: Node, _ schema: OperatorSchema, _ blocks: inout BlockedGraph
  ) -> Node? {
    guard let form = blocks[node.inputs[0]] ?? blocks[node.inputs[1]] else { return nil }
    if node.is(ReluGradient.self), let fused = fuseRelu(node, &blocks) { return fused }
    return blocks.convert(node, to: schema, images: [0, 1], channels: form.channels)
  }

  /// Fuses the gradient of a Relu into that of the pool after it, if nothing else reads the
  /// latter's result.
  private static func fuseRelu(_ node: Node, _ blocks: inout BlockedGraph) -> Node? {
    guard let arriving = node.inputs[0], let output = node.outputs[0],
      let maker = blocks.unsharedMaker(of: arriving), maker.is(Blocked<MaxPoolGradient>.self),
      let result = blocks[node.inputs[1]], maker.inputs[1] == result.value
    else { return nil }
    return blocks.fuse(into: arriving, output: output) { $0.set(.followsRelu, true) }
  }

  static func ofNormalization(_ node: Node, _ blocks: inout BlockedGraph) -> Node? {
    guard node.inputs.count == 3, let form = blocks[node.inputs[1]] ?? blocks[node.inputs[0]]
    else { return nil }
    return blocks.convert(node, to: BatchNormalizationGradient.self, channels: form.channels)
  }
}

/// The convolution that computes another one's image gradient.
private struct ImageGradientGeometry {
  let strides: [Int]
  /// The distance between the first and the last tap.
  let reach: [Int]
  private let dilations: [Int]
  /// The height and width of the output gradient with inserted zeros; for a single tap those of the
  /// image.
  private var extents = [0, 0]
  private var pads: [Int]

  /// - Parameters:
  ///   - image: its height and width, if known
  /// - Returns: `nil` for convolutions that are better left alone: many zeros, or a part of the
  ///   image that no tap reaches
  init?(_ attributes: ConvolutionAttributes, kernel: [Int], image: [Int]?) {
    guard let padding = attributes.fixedPadding(rank: 2) else { return nil }
    strides = (0..<2).map(attributes.stride)
    let dilations = (0..<2).map(attributes.dilation)
    let reach = zip(kernel, dilations).map { ($0 - 1) * $1 }
    (self.dilations, self.reach) = (dilations, reach)
    pads = padding.enumerated().map { index, pad in reach[index % 2] - pad }
    if strides != [1, 1] {
      guard let image, strides == [2, 2] else { return nil }
      if reach == [0, 0] {
        guard padding == [0, 0, 0, 0] else { return nil }
        extents = image
      } else {
        guard kernel == [3, 3], dilations == [1, 1] else { return nil }
        for axis in 0..<2 {
          let room = image[axis] + padding[axis] + padding[axis + 2] - reach[axis] - 1
          extents[axis] = room / strides[axis] * strides[axis] + 1
          pads[axis + 2] = image[axis] - extents[axis] - pads[axis] + reach[axis]
        }
      }
    }
    guard pads.allSatisfy({ $0 >= 0 }) else { return nil }
  }

  func convolution(
    named name: String, of image: ValueID, _ kernel: ValueID, to result: ValueID
  ) -> Node {
    Node(
      name: name, operatorType: "BlockedConv", domain: "graft", inputs: [image, kernel],
      outputs: [result]
    ).with(.pads, pads).with(.dilations, dilations)
  }

  func insertion(named name: String, of image: ValueID, to result: ValueID) -> Node {
    Node(
      name: name, operatorType: "BlockedZeroInsertion", domain: "graft", inputs: [image],
      outputs: [result]
    ).with(.strides, strides).with(.extents, extents)
  }
}
