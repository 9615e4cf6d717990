import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Recognizes attention that exporters spell out, and computes it by one node that never writes all
/// scores: MatMul, scaling by scalars, a bound by Tanh, masks that are added or select (Where),
/// Softmax over keys, the guard against rows of NaN, and MatMul.
///
/// Scaled queries and keys, heads of keys that are repeated for groups of queries, Transposes
/// before and after, and Casts of narrow types to float become part of the node. If another
/// node reads scores or weights, they are computed as before. Constant keys or values are weights,
/// which products read packed.
package enum AttentionFusion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { $0.is(Softmax.self) }) else { return false }
    var finder = AttentionFinder(graph)
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    for index in graph.nodes.indices {
      if let others = finder.replaced[index] {
        nodes += others
      } else {
        nodes += try finder.attention(endingAt: index) ?? [graph.nodes[index]]
      }
    }
    guard finder.didChange else { return false }
    graph = finder.graph
    graph.nodes = nodes
    return true
  }
}

/// Finds attention by its last product.
struct AttentionFinder {
  var graph: Graph
  private(set) var didChange = false
  /// What takes the place of nodes after an attention.
  private(set) var replaced: [Int: [Node]] = [:]
  let producers: [ValueID: Int]
  private let consumers: [ValueID: [Int]]
  let counts: [ValueID: Int]
  let terms: ExtentTerms

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers()
    consumers = graph.consumers()
    counts = graph.useCounts()
    terms = ExtentTerms(graph, producers)
  }

  func producer(_ id: ValueID?) -> Node? {
    id.flatMap { producers[$0] }.map { graph.nodes[$0] }
  }

  /// The nodes in the place of a MatMul that ends an attention; `nil` if it does not.
  mutating func attention(endingAt index: Int) throws -> [Node]? {
    let node = graph.nodes[index]
    guard node.is(MatMul.self), let weights = node.inputs[0], let values = node.inputs[1],
      var output = node.outputs[0], let type = graph.elementType(output), type.isFloatingPoint,
      let scores = try scores(weights),
      let operands = try operands(scores, values, type)
    else { return nil }
    let (query, key, value) = (operands[0], operands[1], operands[2])
    let masks = scores.masks + scores.scalars + query.scalars + key.scalars
    let scale = scores.scale * query.scale * key.scale
    guard masks.count <= FusedAttention.maximumMaskCount,
      type != .double || Double(Float(scale)) == scale, Float(scale).isNormal,
      scores.windowCount == nil || graph.rank(output) == 4
    else { return nil }
    let outputOrder = try takeTranspose(after: output)
    if let outputOrder { output = outputOrder.output }
    var fused = Node(
      name: node.name, operatorType: FusedAttention.schema.name,
      domain: FusedAttention.schema.domain,
      inputs: operands.map(\.value) + masks.map(\.value), outputs: [output])
    fused.set(.attentionScale, Float(scale))
    let keys: [(order: AttributeKey<[Int]>, pick: AttributeKey<[Int]>)] = [
      (.queryPermutation, .queryPick), (.keyPermutation, .keyPick),
      (.valuePermutation, .valuePick),
    ]
    for (operand, key) in zip(operands, keys) {
      if let order = operand.permutation { fused.set(key.order, order) }
      if let pick = operand.pick { fused.set(key.pick, [pick.axis, pick.index]) }
    }
    if let outputOrder { fused.set(.outputPermutation, outputOrder.permutation) }
    if !masks.isEmpty {
      fused.set(.maskKinds, masks.map(\.kind.rawValue))
      fused.set(.maskFills, masks.map(\.fill))
    }
    if scores.softcap > 0 { fused.set(.attentionSoftcap, scores.softcap) }
    if value.sharing > 1 { fused.set(.keySharing, value.sharing) }
    if let windows = scores.windowCount { fused.set(.windowCount, windows) }
    if scores.zeroesNaN { fused.set(.zeroesNaN, true) }
    didChange = true
    return query.nodes + key.nodes + [fused]
  }

  /// Takes away the Transpose that reads a value, if attention can write its output.
  ///
  /// Nodes that read the shape of the value, as exporters with dynamic axes do, follow from that of
  /// the output.
  private mutating func takeTranspose(
    after value: ValueID
  ) throws -> (permutation: [Int], output: ValueID)? {
    let readers = consumers[value] ?? []
    guard readers.count == counts[value] else { return nil }
    var transpose: (index: Int, permutation: [Int], output: ValueID)?
    var shapes: [Int] = []
    for index in readers {
      let node = graph.nodes[index]
      if transpose == nil, let order = try node.operation(as: Transpose.self)?.permutation,
        let output = node.outputs[0]
      {
        transpose = (index, order, output)
      } else if let shape = try node.operation(as: ShapeOperator.self), shape.start == 0,
        shape.end == nil
      {
        shapes.append(index)
      } else {
        return nil
      }
    }
    guard let transpose, let rank = graph.rank(value), rank == transpose.permutation.count,
      rank >= 2, transpose.permutation.last == rank - 1
    else { return nil }
    replaced[transpose.index] = []
    for index in shapes {
      let places = FusedAttention.inverse(transpose.permutation).map(Int64.init)
      let order = graph.addConstant(try Tensor(places, shape: [rank]))
      let extents = graph.addValue(type: .tensor(TensorType(.int64, [.known(rank)])))
      replaced[index] = [
        Node(operatorType: "Shape", inputs: [transpose.output], outputs: [extents]),
        Node(
          operatorType: "Gather", inputs: [extents, order], outputs: graph.nodes[index].outputs),
      ]
    }
    return (transpose.permutation, transpose.output)
  }
}
