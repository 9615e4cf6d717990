import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension QuantizedChainRewriter {
  /// The largest product of two bytes minus their zero points. Sums of `mostProducts` fit in an
  /// int32.
  static let largestProduct = 255 * 255
  static let mostProducts = Int(Int32.max) / largestProduct

  mutating func convolve(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let image = try dequantized(node.inputs[0]),
      let weights = try weights(node.inputs[1], axis: 0), (3...5).contains(weights.tensor.rank),
      let channels = weights.tensor.shape.first, channels > 0,
      weights.tensor.elementCount / channels <= Self.mostProducts,
      let bias = try bias(
        node.inputs.count > 2 ? node.inputs[2] : nil, count: channels, left: image.parameters,
        weights, depth: weights.tensor.elementCount / channels)
    else { return false }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedConv", domain: "graft",
        inputs: [
          image.bytes, image.parameters.scaleValue, image.parameters.zeroPointValue,
          weights.bytes, weights.scaleValue, weights.zeroPointValue, target.scaleValue,
          target.zeroPointValue, bias,
        ],
        outputs: [output],
        attributes: node.attributes.merging(attributes) { $1 }.merging([
          "planar_input": .int(1), "planar_output": .int(1),
        ]) { $1 }))
    return true
  }

  /// - Parameter target: `nil` for results that are floats
  mutating func multiply(
    _ node: Node, _ output: ValueID, _ target: TensorQuantization?,
    _ attributes: [ByteString: Attribute]
  ) throws -> Bool {
    guard let left = try dequantized(node.inputs[0]) else { return false }
    var attributes = attributes
    var biasInput: ValueID?
    var isTransposed = false
    if let gemm = try node.operation(as: Gemm.self)?.attributes {
      guard !gemm.isLeftTransposed, gemm.alpha == 1, gemm.beta == 1 || node.inputs.count < 3
      else { return false }
      isTransposed = gemm.isRightTransposed
      biasInput = node.inputs.count > 2 ? node.inputs[2] : nil
      if let biasInput, graph.rank(biasInput) != 1 { return false }
    }
    var operands: [ValueID?]
    var bias: ValueID?
    if let weights = try weights(node.inputs[1], axis: isTransposed ? 0 : 1),
      weights.tensor.rank == 2
    {
      let (rows, columns) = (weights.tensor.shape[0], weights.tensor.shape[1])
      let depth = isTransposed ? columns : rows
      guard depth <= Self.mostProducts,
        let found = try self.bias(
          biasInput, count: isTransposed ? rows : columns, left: left.parameters, weights,
          depth: depth)
      else { return false }
      bias = found
      operands = [weights.bytes, weights.scaleValue, weights.zeroPointValue]
    } else {
      guard target != nil, biasInput == nil, !isTransposed,
        let right = try dequantized(node.inputs[1]), graph.rank(right.bytes) ?? 0 >= 2,
        let depth = graph[left.bytes].type?.tensor?.shape?.last?.known,
        depth <= Self.mostProducts
      else { return false }
      operands = [
        right.bytes, right.parameters.scaleValue, right.parameters.zeroPointValue,
      ]
    }
    if isTransposed { attributes["transB"] = .int(1) }
    nodes.append(
      Node(
        name: node.name, operatorType: "QuantizedGemm", domain: "graft",
        inputs: [left.bytes, left.parameters.scaleValue, left.parameters.zeroPointValue]
          + operands + [target?.scaleValue, target?.zeroPointValue, bias],
        outputs: [output], attributes: attributes))
    return true
  }
}
