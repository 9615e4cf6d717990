import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension QuantizedChainRewriter {
  mutating func combine(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let left = try dequantized(node.inputs[0]), let right = try dequantized(node.inputs[1])
    else { return false }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedBinary", domain: "graft",
        inputs: [
          left.bytes, right.bytes, left.parameters.scaleValue, left.parameters.zeroPointValue,
          right.parameters.scaleValue, right.parameters.zeroPointValue, target.scaleValue,
          target.zeroPointValue,
        ],
        outputs: [output],
        attributes: attributes.merging(["operator": .string(node.operatorType)]) { $1 }))
    return true
  }

  /// What selects or moves elements does so with bytes, as scales are positive.
  mutating func move(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    guard let source = try dequantized(node.inputs[0]) else { return false }
    var moved = node
    moved.inputs[0] = source.bytes
    moved.outputs = [output]
    guard !source.parameters.isSame(as: target) else {
      nodes.append(moved)
      return true
    }
    if node.is(MaxPool.self) {
      // A window within the padding has the lowest byte of the result.
      let bytes = graph.addValue(
        type: .tensor(
          TensorType(target.elementType, graph[source.bytes].type?.tensor?.shape)))
      try requantize(source.bytes, source.parameters, bytes, target)
      moved.inputs[0] = bytes
      nodes.append(moved)
      return true
    }
    let shape = node.outputs[0].flatMap { graph[$0].type?.tensor?.shape }
    let bytes = graph.addValue(
      type: .tensor(TensorType(source.parameters.elementType, shape)))
    moved.outputs = [bytes]
    nodes.append(moved)
    try requantize(bytes, source.parameters, output, target)
    return true
  }

  mutating func concatenate(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    var parts: [(bytes: ValueID, parameters: TensorQuantization)] = []
    for input in node.inputs {
      guard let part = try dequantized(input) else { return false }
      parts.append(part)
    }
    var joined = node
    joined.outputs = [output]
    for (position, part) in parts.enumerated() {
      joined.inputs[position] = part.bytes
      guard !part.parameters.isSame(as: target) else { continue }
      let bytes = graph.addValue(
        type: .tensor(
          TensorType(target.elementType, graph[part.bytes].type?.tensor?.shape)))
      try requantize(part.bytes, part.parameters, bytes, target)
      joined.inputs[position] = bytes
    }
    nodes.append(joined)
    return true
  }

  mutating func average(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization
  ) throws -> Bool {
    guard let image = try dequantized(node.inputs[0]),
      let shape = graph[image.bytes].type?.tensor?.shape, (3...5).contains(shape.count)
    else { return false }
    var attributes = node.attributes
    let pixels: Int?
    if let pool = try node.operation(as: AveragePool.self) {
      pixels = pool.window.kernel.checkedProduct
    } else {
      attributes["global"] = .int(1)
      pixels = Array(shape[2...]).knownShape?.checkedProduct
    }
    guard let pixels, pixels <= QuantizedAveragePool.mostPixels,
      let type = graph[output].type?.tensor
    else { return false }
    // The layout pass removes these where what is around has channels last.
    let last = graph.addValue(
      type: .tensor(TensorType(image.parameters.elementType, shape.channelsLast)))
    let result = graph.addValue(
      type: .tensor(TensorType(target.elementType, type.shape?.channelsLast)))
    nodes += [
      .channelsLast(image.bytes, to: last, rank: shape.count),
      Node(
        name: node.name, operatorType: "QuantizedAveragePool", domain: "graft",
        inputs: [
          last, image.parameters.scaleValue, image.parameters.zeroPointValue, target.scaleValue,
          target.zeroPointValue,
        ], outputs: [result], attributes: attributes),
      .channelsFirst(result, to: output, rank: shape.count),
    ]
    return true
  }
}

extension Node {
  /// A Transpose from [N, C, …] to [N, …, C].
  static func channelsLast(_ input: ValueID, to output: ValueID, rank: Int) -> Node {
    Node(
      operatorType: "Transpose", inputs: [input], outputs: [output],
      attributes: ["perm": .ints(Array(0..<rank).channelsLast)])
  }

  /// The inverse of ``channelsLast(_:to:rank:)``.
  static func channelsFirst(_ input: ValueID, to output: ValueID, rank: Int) -> Node {
    Node(
      operatorType: "Transpose", inputs: [input], outputs: [output],
      attributes: ["perm": .ints(Array(0..<rank).channelsFirst)])
  }
}
