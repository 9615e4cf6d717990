import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

extension Graph {
  /// The same graph with a free first extent (the batch) where it was exported with a fixed one.
  ///
  /// Constant targets of Reshape that start with the fixed extent start with -1 or 0 instead, and
  /// constants with a batch of 1 that are concatenated with computed values are repeated.
  /// - Throws: `GraftError` if the graph is invalid for other batch sizes
  package func withFreeBatch(name: String = "N") throws -> Graph {
    var graph = self
    var fixed: Set<Int> = []
    for id in graph.inputs {
      guard var type = graph[id].type?.tensor, var shape = type.shape, let first = shape.first,
        let extent = first.known
      else { continue }
      fixed.insert(extent)
      shape[0] = .symbol(ByteString(name))
      type.shape = shape
      graph[id].type = .tensor(type)
    }
    guard fixed.count <= 1 else {
      throw GraftError.unsupported("the inputs have different first extents: \(fixed.sorted())")
    }
    guard let batch = fixed.first else { return graph }
    let fixedIDs = Set(graph.inputs).union(graph.constants.keys).union(graph.parameters.keys)
    for index in graph.values.indices where !fixedIDs.contains(ValueID(index)) {
      if var type = graph.values[index].type?.tensor {
        type.shape = nil
        graph.values[index].type = .tensor(type)
      }
    }
    var computed = Set(graph.inputs)
    for node in graph.nodes {
      if node.reads.contains(where: computed.contains) {
        computed.formUnion(node.outputs.compactMap { $0 })
      }
    }
    let nodes = graph.nodes
    graph.nodes = []
    for node in nodes {
      graph.nodes.append(node)
      if node.is(Reshape.self) {
        try graph.freeReshape(at: graph.nodes.count - 1, batch: batch)
      } else if batch == 1, let axis = try node.operation(as: Concat.self)?.axis, axis != 0 {
        try graph.freeConcat(of: node, axis: axis, computed: computed)
      }
    }
    try graph.inferTypes()
    return graph
  }

  private mutating func freeReshape(at index: Int, batch: Int) throws {
    let node = nodes[index]
    guard node.domain.isEmpty, node.inputs.count == 2, let target = constant(node.inputs[1]),
      constant(node.inputs[0]) == nil
    else { return }
    var extents = try target.integers()
    guard extents.first == batch, batch != 0 else { return }
    extents[0] = extents.contains(-1) ? 0 : -1
    nodes[index].inputs[1] = addConstant(
      try Tensor(extents.map(Int64.init), shape: [extents.count]))
  }

  /// Repeats constants with a batch of 1 that are concatenated with computed values, such as class
  /// tokens. The node is the last one; the nodes that repeat constants are inserted before it.
  private mutating func freeConcat(of node: Node, axis: Int, computed: Set<ValueID>) throws {
    guard let source = node.inputs.lazy.compactMap({ $0 }).first(where: computed.contains)
    else { return }
    let fixed = node.inputs.indices.filter { index in
      guard let shape = constant(node.inputs[index])?.shape else { return false }
      return shape.count > 1 && shape[0] == 1 && axis != -shape.count
    }
    guard !fixed.isEmpty else { return }
    nodes.removeLast()
    let extent = addNode(
      "Shape", [source], attributes: ["start": .int(0), "end": .int(1)])
    var node = node
    for index in fixed {
      let rank = constant(node.inputs[index])?.shape.count ?? 0
      let ones = addConstant(
        try Tensor([Int64](repeating: 1, count: rank - 1), shape: [rank - 1]))
      let target = addNode("Concat", [extent, ones], attributes: ["axis": .int(0)])
      node.inputs[index] = addNode("Expand", [node.inputs[index], target])
    }
    nodes.append(node)
  }
}
