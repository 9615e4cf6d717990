import GraftExecution
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTensor

extension TransferModel {
  /// The constants that training can change, in the order of their first readers.
  package var weights: [ValueID] {
    var seen: Set<ValueID> = []
    return layers.flatMap(\.weights).filter { seen.insert($0).inserted }
  }

  /// The nodes by ``Graph/layerName(of:)``, each with the weights that it reads.
  var layers: [(name: String, weights: [ValueID])] {
    var decomposed = DecomposedLayers(graph: graph)
    return graph.nodes.map { node in
      guard !FeatureNormalization.isMarked(node) else { return (graph.layerName(of: node), []) }
      let own = OperatorCatalog.type(of: node)?.weightInputs ?? []
      let positions = own + decomposed.weightInputs(of: node)
      let weights = positions.compactMap { position -> ValueID? in
        guard position < node.inputs.count, let id = node.inputs[position],
          graph.constants[id]?.elementType == .float
        else { return nil }
        return id
      }
      return (graph.layerName(of: node), weights)
    }
  }
}

/// Finds the weights of layers that exporters write as several nodes: biases after products, and
/// scales and biases of normalizations.
///
/// A file does not say which constants were trained. Weights are those of Mul, Add and Sub that
/// have one number for each channel of a product with weights, or of a quotient by a deviation.
/// Masks, scalars and preprocessing before the first product are not weights.
private struct DecomposedLayers {
  let graph: Graph
  /// The possible channel axes of a value, for which constants can be weights.
  private var channelAxes: [ValueID: [Int]] = [:]
  /// Square roots, by which normalizations divide, and their reciprocals.
  private var deviations: Set<ValueID> = []

  init(graph: Graph) { self.graph = graph }

  /// The inputs of a node that hold weights only in this context.
  ///
  /// Call it for each node of the graph, in order.
  mutating func weightInputs(of node: Node) -> [Int] {
    guard let output = node.outputs.first ?? nil,
      let rank = graph[output].type?.tensor?.shape?.count, rank > 1
    else { return [] }
    switch OperatorCatalog.type(of: node) {
    case let type? where type.isWeightedSum:
      guard hasConstant(node) else { break }
      channelAxes[output] = [type is Gemm.Type || type is MatMul.Type ? rank - 1 : 1]
    case let type? where type.operandCount == 0 && !type.weightInputs.isEmpty:
      // Normalizations
      channelAxes[output] = [1, rank - 1]
    case let type? where type.onlyReshapes:
      if axes(of: node.inputs.first ?? nil) != nil { channelAxes[output] = [1, rank - 1] }
    case is Transpose.Type:
      channelAxes[output] = transposedAxes(node, rank: rank)
    case is Sqrt.Type:
      deviations.insert(output)
    case is Reciprocal.Type:
      if node.inputs.contains(where: isDeviation) { deviations.insert(output) }
    case is Div.Type:
      guard node.inputs.count == 2, isDeviation(node.inputs[1]) else { break }
      if hasConstant(node) {
        deviations.insert(output)
      } else {
        channelAxes[output] = [1, rank - 1]
      }
    case is Mul.Type, is Add.Type, is Sub.Type:
      return weightOperands(of: node, output, rank: rank)
    default: break
    }
    return []
  }

  private mutating func weightOperands(of node: Node, _ output: ValueID, rank: Int) -> [Int] {
    let isScaling = node.is(Mul.self) && node.inputs.contains(where: isDeviation)
    let source = node.inputs.first { axes(of: $0) != nil } ?? nil
    guard let axes = isScaling ? [1, rank - 1] : axes(of: source) else { return [] }
    if isScaling, hasConstant(node) {
      deviations.insert(output)
    } else if isScaling || hasConstant(node) {
      channelAxes[output] = axes
    }
    return node.inputs.indices.filter { position in
      guard let shape = graph.constant(node.inputs[position])?.shape else { return false }
      return axes.contains { isPerChannel(shape, along: $0, of: output) }
    }
  }

  private func isPerChannel(_ shape: [Int], along axis: Int, of output: ValueID) -> Bool {
    guard let result = graph[output].type?.tensor?.shape, shape.count <= result.count,
      let channelCount = result[axis].known
    else { return false }
    var expected = [Int](repeating: 1, count: result.count)
    expected[axis] = channelCount
    return [Int](repeating: 1, count: result.count - shape.count) + shape == expected
  }

  private func transposedAxes(_ node: Node, rank: Int) -> [Int]? {
    guard let axes = axes(of: node.inputs.first ?? nil) else { return nil }
    let permutation =
      (try? node.operation(as: Transpose.self)?.permutation) ?? Array((0..<rank).reversed())
    return axes.compactMap { permutation.firstIndex(of: $0) }
  }

  private func axes(of input: ValueID?) -> [Int]? { input.flatMap { channelAxes[$0] } }

  private func isDeviation(_ input: ValueID?) -> Bool { input.map(deviations.contains) ?? false }

  private func hasConstant(_ node: Node) -> Bool {
    node.inputs.prefix(2).contains { graph.constant($0) != nil }
  }
}
