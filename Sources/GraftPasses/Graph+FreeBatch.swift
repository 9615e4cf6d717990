extension Graph {
  /// The same graph with an open first extent (the batch) where it was exported with a fixed one.
  ///
  /// Constant targets of Reshape that begin with the fixed extent begin with -1 or 0 instead.
  /// - Throws: `GraftError` if the graph does not hold for other batch sizes.
  package func withFreeBatch(name: String = "N") throws -> Graph {
    var graph = self
    var fixed: Set<Int> = []
    for id in graph.inputs {
      guard var type = graph[id].type?.tensor, var shape = type.shape, let first = shape.first,
        let extent = first.known
      else { continue }
      fixed.insert(extent)
      shape[0] = .symbol(name)
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
    for index in graph.nodes.indices where graph.nodes[index].operatorType == "Reshape" {
      try graph.freeReshape(at: index, batch: batch)
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
}
