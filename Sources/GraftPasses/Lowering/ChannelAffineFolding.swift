import GraftExecution
import GraftGraph
import GraftOperators
import GraftTensor

/// Folds per-channel scaling and shifting by constants (an inference BatchNormalization, or a Mul,
/// Add or Sub of one element per channel) into the Conv or Gemm before it, if that has constant
/// weights: `w' = w·s`, `b' = b·s + t`. Also folds into a BatchNormalization before it.
package enum ChannelAffineFolding: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    let counts = graph.useCounts()
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard node.outputs.count == 1, let output = node.outputs[0],
        let input = node.inputs.first(where: { graph.constant($0) == nil }) ?? nil,
        counts[input] == 1
      else { continue }
      // A previously folded node reads the same value.
      let source = replacements[input] ?? input
      guard let producer = producers[source],
        let affine = try ChannelAffine(normalization: node, in: graph)
          ?? ChannelAffine(elementwise: node, in: graph),
        try fold(affine, into: producer, in: &graph, counts)
      else { continue }
      replacements[output] = source
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    graph.replaceUses(replacements)
    return !removed.isEmpty
  }

  private static func fold(
    _ affine: ChannelAffine, into index: Int, in graph: inout Graph, _ counts: [ValueID: Int]
  ) throws -> Bool {
    let node = graph.nodes[index]
    if let normalization = try node.operation(as: BatchNormalization.self) {
      return try !normalization.isTraining
        && foldIntoNormalization(affine, at: index, in: &graph, counts)
    }
    guard let channelAxis = try? OperatorCatalog.make(node).weightChannelAxis,
      let weights = graph.constant(node.inputs[1]),
      weights.elementType == .float || weights.elementType == .double
    else { return false }
    let channelCount = affine.scale.count
    guard weights.rank > channelAxis, weights.shape[channelAxis] == channelCount else {
      return false
    }
    var oldBias = [Double](repeating: 0, count: channelCount)
    if node.inputs.count > 2, let id = node.inputs[2] {
      guard let tensor = graph.constants[id] else { return false }
      let values = try tensor.doubles()
      guard values.count == channelCount || values.count == 1 else { return false }
      oldBias = (0..<channelCount).map { values[values.count == 1 ? 0 : $0] }
    }
    let newBias = (0..<channelCount).map {
      oldBias[$0] * affine.scale[$0] + affine.shift[$0]
    }
    let newWeights = try scaled(weights, by: affine.scale, axis: channelAxis)
    let bias = try Tensor(doubles: newBias, as: weights.elementType, shape: [channelCount])
    graph.nodes[index].inputs = [
      node.inputs[0], addConstant(newWeights, for: node.inputs[1], "_folded", in: &graph, counts),
      addConstant(bias, for: node.inputs[1], "_bias_folded", in: &graph, counts),
    ]
    if node.inputs.count > 2 { forget(node.inputs[2], in: &graph, counts) }
    forget(node.inputs[1], in: &graph, counts)
    return true
  }

  private static func foldIntoNormalization(
    _ affine: ChannelAffine, at index: Int, in graph: inout Graph, _ counts: [ValueID: Int]
  ) throws -> Bool {
    let node = graph.nodes[index]
    guard node.inputs.count == 5, node.outputs.count == 1,
      let scale = graph.constant(node.inputs[1]), let shift = graph.constant(node.inputs[2]),
      scale.elementCount == affine.scale.count, shift.elementCount == affine.scale.count
    else { return false }
    let newScale = zip(try scale.doubles(), affine.scale).map { $0 * $1 }
    let newShift = zip(try shift.doubles(), zip(affine.scale, affine.shift)).map {
      $0 * $1.0 + $1.1
    }
    for (position, values, old) in [(1, newScale, scale), (2, newShift, shift)] {
      graph.nodes[index].inputs[position] = addConstant(
        try Tensor(doubles: values, as: old.elementType, shape: old.shape),
        for: node.inputs[position], "_folded", in: &graph, counts)
      forget(node.inputs[position], in: &graph, counts)
    }
    return true
  }

  /// A constant named after the one that it replaces. A constant made by this pass passes its name
  /// on, so that names do not grow with every folded node.
  private static func addConstant(
    _ tensor: Tensor, for old: ValueID?, _ suffix: String, in graph: inout Graph,
    _ counts: [ValueID: Int]
  ) -> ValueID {
    guard let old else { return graph.addConstant(tensor) }
    let name = graph[old].name
    return graph.addConstant(name: counts[old] == nil ? name : name + suffix, tensor)
  }

  /// Drops a replaced constant that this pass made.
  private static func forget(_ id: ValueID?, in graph: inout Graph, _ counts: [ValueID: Int]) {
    if let id, counts[id] == nil { graph.constants[id] = nil }
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
