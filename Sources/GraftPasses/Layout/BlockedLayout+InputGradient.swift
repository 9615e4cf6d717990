import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension BlockedLayoutRewriter {
  /// The gradient of a convolution's image is a convolution of the output gradient with the rotated
  /// weights; with strides, zeros are inserted between the positions.
  mutating func convertInputGradient(_ node: Node) throws -> Node? {
    guard node.inputs.count >= 2, let arriving = node.inputs[0], let weights = node.inputs[1],
      let output = node.outputs[0], let shape = weightShape(weights)
    else { return nil }
    let attributes = try ConvolutionAttributes(AttributeReader(node.attributes))
    let groupCount = attributes.groupCount
    if groupCount > 1, shape[0] == groupCount, shape[1] == 1 {
      var converted = node
      converted.become(BlockedDepthwiseInputGradient.schema)
      converted.inputs[0] = requireBlocked(arriving, channels: groupCount)
      converted.outputs = [addBlockedValue(for: output, channels: groupCount)]
      return converted
    }
    let transposed = [shape[1], shape[0], shape[2], shape[3]]
    guard groupCount == 1,
      let geometry = InputGradientGeometry(
        attributes, kernel: Array(shape[2...]), image: try imageExtents(ofGradient: node)),
      BlockedConv.accepts(weights: transposed, groupCount: 1, isPlanar: false)
    else { return nil }
    let image = requireBlocked(arriving, channels: shape[0])
    let kernel = graph.addValue(
      name: "\(graph[weights].name)/transposed",
      type: .tensor(TensorType(.float, [Dimension](transposed))))
    append(
      Node(
        operatorType: "TransposedKernel", domain: "graft", inputs: [weights], outputs: [kernel]))
    let result = addBlockedValue(for: output, channels: shape[1])
    guard geometry.strides != [1, 1] else {
      return geometry.convolution(named: node.name, of: image, kernel, to: result)
    }
    let middle = graph.addValue(name: "\(graph[output].name)/spread")
    if geometry.reach == [0, 0] {
      // Before zeros are inserted, so that they are not multiplied.
      append(geometry.convolution(named: node.name, of: image, kernel, to: middle))
      return geometry.insertion(named: node.name, of: middle, to: result)
    }
    append(geometry.insertion(named: node.name, of: image, to: middle))
    return geometry.convolution(named: node.name, of: middle, kernel, to: result)
  }

  /// The height and width of the image whose gradient a node computes, from its third input, a
  /// Shape.
  private func imageExtents(ofGradient node: Node) throws -> [Int]? {
    guard node.inputs.count > 2, let id = node.inputs[2] else { return nil }
    if let constant = graph.constant(id) { return try Array(constant.integers().dropFirst(2)) }
    guard let image = try sourceOfShape(id), let shape = graph[image].type?.tensor?.shape,
      shape.count == 4,
      let height = shape[2].known, let width = shape[3].known
    else { return nil }
    return [height, width]
  }
}

/// The convolution that computes another one's image gradient.
private struct InputGradientGeometry {
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
      outputs: [result], attributes: ["pads": .ints(pads), "dilations": .ints(dilations)])
  }

  func insertion(named name: String, of image: ValueID, to result: ValueID) -> Node {
    Node(
      name: name, operatorType: "BlockedZeroInsertion", domain: "graft", inputs: [image],
      outputs: [result], attributes: ["strides": .ints(strides), "extents": .ints(extents)])
  }
}
