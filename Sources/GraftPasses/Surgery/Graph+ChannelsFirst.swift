import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

extension Graph {
  /// The permutation from `[N, C, H, W]` to `[N, H, W, C]`.
  private static let toChannelsLast = [0, 2, 3, 1]

  /// Converts a graph of images `[N, H, W, C]` to `[N, C, H, W]`, and its first output likewise if
  /// it has that layout.
  ///
  /// - Parameter shape: of the input, the graph's only one
  package func withChannelsFirst(_ shape: [Dimension]) throws -> Graph {
    var graph = self
    guard let input = graph.inputs.first, graph.inputs.count == 1, shape.count == 4,
      let type = graph[input].type?.tensor
    else { throw GraftError.unsupported("the network does not take a single image") }
    let image = graph.addInput(
      name: graph[input].name,
      type: TensorType(type.elementType, [shape[0], shape[3], shape[1], shape[2]]))
    graph.inputs = [image]
    graph[input].name += "_channels_last"
    graph.nodes.insert(
      Node(
        operatorType: "Transpose", inputs: [image], outputs: [input],
        attributes: ["perm": .ints(Graph.toChannelsLast)]), at: 0)
    try graph.cancelTransposes()
    guard let output = graph.outputs.first, let producer = graph.producers()[output],
      graph.outputs.count == 1,
      try graph.nodes[producer].operation(as: Transpose.self)?.permutation == Graph.toChannelsLast,
      let source = graph.nodes[producer].inputs.first ?? nil
    else { return graph }
    graph.outputs = [source]
    _ = try DeadNodeElimination.run(&graph)
    return graph
  }

  /// Cancels Transposes; other nodes stay unchanged.
  private mutating func cancelTransposes() throws {
    let passes: [any GraphPass.Type] = [
      LayoutSelection.self, TransposeCancellation.self, DeadNodeElimination.self,
    ]
    // Each round moves each Transpose past at least one node.
    for _ in 0..<64 {
      var didChange = try removeIdleTransposes()
      for pass in passes where try pass.run(&self) { didChange = true }
      if !didChange { return }
    }
  }

  private mutating func removeIdleTransposes() throws -> Bool {
    var replacements: [ValueID: ValueID] = [:]
    var removed: Set<Int> = []
    for (index, node) in nodes.enumerated() {
      guard let transpose = try node.operation(as: Transpose.self),
        transpose.isIdentity(inferenceContext(of: node)),
        let input = node.inputs.first ?? nil, let output = node.outputs.first ?? nil
      else { continue }
      replacements[output] = input
      removed.insert(index)
    }
    removeNodes(at: removed)
    replaceUses(replacements)
    return !removed.isEmpty
  }
}
