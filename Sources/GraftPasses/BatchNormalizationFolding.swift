/// Folds an inference BatchNormalization into the Conv or Gemm in front of it, when the weights of both are
/// constant: `w' = w·s`, `b' = (b − mean)·s + bias` with `s = scale / √(variance + epsilon)`.
package enum BatchNormalizationFolding: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let counts = graph.useCounts()
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() where node.operatorType == "BatchNormalization" {
      guard node.domain.isEmpty, node.inputs.count == 5,
        try !AttributeReader(node.attributes).flag("training_mode"),
        let input = node.inputs[0], counts[input] == 1, let output = node.outputs.first ?? nil,
        let producer = producers[input],
        let normalization = try Normalization(node, in: graph),
        try fold(normalization, into: producer, in: &graph)
      else { continue }
      replacements[output] = input
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    graph.replaceUses(replacements)
    return !removed.isEmpty
  }

  /// What a BatchNormalization does to each channel: multiply by `scale`, then add `shift`.
  private struct Normalization {
    var scale: [Double]
    var shift: [Double]

    init?(_ node: Node, in graph: Graph) throws {
      var vectors: [[Double]] = []
      for input in node.inputs.dropFirst() {
        guard let tensor = graph.constant(input), tensor.elementType.isFloatingPoint else {
          return nil
        }
        vectors.append(try tensor.doubles())
      }
      let channelCount = vectors[0].count
      guard vectors.allSatisfy({ $0.count == channelCount }) else { return nil }
      let epsilon = Double(try AttributeReader(node.attributes).float("epsilon", default: 1e-5))
      scale = (0..<channelCount).map { vectors[0][$0] / (vectors[3][$0] + epsilon).squareRoot() }
      shift = (0..<channelCount).map { [scale] in vectors[1][$0] - vectors[2][$0] * scale[$0] }
    }
  }

  private static func fold(
    _ normalization: Normalization, into index: Int, in graph: inout Graph
  ) throws -> Bool {
    let node = graph.nodes[index]
    let attributes = AttributeReader(node.attributes)
    guard node.domain.isEmpty, node.inputs.count >= 2,
      let weights = graph.constant(node.inputs[1]),
      weights.elementType == .float || weights.elementType == .double
    else { return false }
    let channelAxis: Int
    switch node.operatorType {
    case "Conv": channelAxis = 0
    case "Gemm":
      guard try attributes.float("alpha", default: 1) == 1,
        try attributes.float("beta", default: 1) == 1
      else { return false }
      channelAxis = try attributes.flag("transB") ? 0 : 1
    default: return false
    }
    let channelCount = normalization.scale.count
    guard weights.rank > channelAxis, weights.shape[channelAxis] == channelCount else {
      return false
    }
    var bias = [Double](repeating: 0, count: channelCount)
    if node.inputs.count > 2, let id = node.inputs[2] {
      guard let tensor = graph.constants[id] else { return false }
      let values = try tensor.doubles()
      guard values.count == channelCount || values.count == 1 else { return false }
      bias = (0..<channelCount).map { values[values.count == 1 ? 0 : $0] }
    }
    let newBias = (0..<channelCount).map {
      bias[$0] * normalization.scale[$0] + normalization.shift[$0]
    }
    let newWeights = try scaled(weights, by: normalization.scale, axis: channelAxis)
    let name = graph[node.inputs[1]!].name
    graph.nodes[index].inputs = [
      node.inputs[0], graph.addConstant(name: "\(name)_folded", newWeights),
      graph.addConstant(
        name: "\(name)_bias_folded",
        try Tensor(doubles: newBias, as: weights.elementType, shape: [channelCount])),
    ]
    return true
  }

  private static func scaled(
    _ weights: Tensor, by scale: [Double], axis: Int
  ) throws -> Tensor {
    let result = try Tensor(zeros: weights.elementType, shape: weights.shape)
    let inner = weights.shape[(axis + 1)...].reduce(1, *)
    let channelCount = weights.shape[axis]
    let count = weights.elementCount
    func multiply<Element: BinaryFloatingPoint>(_: Element.Type) {
      result.withUnsafeMutableBytes { target in
        weights.withUnsafeBytes { source in
          for index in 0..<count {
            let offset = index * MemoryLayout<Element>.stride
            let value = source.loadUnaligned(fromByteOffset: offset, as: Element.self)
            let product = Double(value) * scale[index / inner % channelCount]
            target.storeBytes(of: Element(product), toByteOffset: offset, as: Element.self)
          }
        }
      }
    }
    if weights.elementType == .double { multiply(Double.self) } else { multiply(Float.self) }
    return result
  }
}

extension Tensor {
  /// The elements of a floating-point tensor.
  func doubles() throws -> [Double] {
    let source = isAligned ? self : try copied()
    let wide = try Tensor(zeros: .double, shape: shape)
    try ElementConversion.convert(
      source.baseAddress, elementType, to: wide.baseAddress, .double, count: elementCount)
    return try wide.elements()
  }

  init(doubles: [Double], as elementType: ElementType, shape: Shape) throws {
    let wide = try Tensor(doubles, shape: shape)
    try self.init(zeros: elementType, shape: shape)
    try ElementConversion.convert(
      wide.baseAddress, .double, to: baseAddress, elementType, count: elementCount)
  }
}
