extension Node {
  /// Changes the graphs among the attributes.
  package mutating func mapBodies(_ transform: (inout Graph) -> Void) {
    for (name, attribute) in attributes {
      switch attribute {
      case .graph(var graph):
        transform(&graph)
        attributes[name] = .graph(graph)
      case .graphs(var graphs):
        for index in graphs.indices { transform(&graphs[index]) }
        attributes[name] = .graphs(graphs)
      default: break
      }
    }
  }

  /// The node with other values for some of those that it reads, computes, and captures in bodies.
  package func replacing(_ values: [ValueID: ValueID]) -> Node {
    var copy = self
    copy.inputs = inputs.map { $0.map { values[$0] ?? $0 } }
    copy.outputs = outputs.map { $0.map { values[$0] ?? $0 } }
    copy.mapBodies { body in
      for (inner, outer) in body.captures { body.captures[inner] = values[outer] ?? outer }
    }
    return copy
  }
}

extension Graph {
  /// The nodes of a body as nodes of this graph, with values of this graph. The caller puts them in
  /// place.
  ///
  /// - Parameter inputs: the values of the body's inputs
  /// - Returns: the nodes, and the body's outputs
  package mutating func nodes(
    of body: Graph, inputs: [ValueID?]
  ) -> (nodes: [Node], outputs: [ValueID]) {
    var map = body.captures
    for (inner, outer) in zip(body.inputs, inputs) {
      if let outer { map[inner] = outer }
    }
    for index in body.values.indices where map[ValueID(index)] == nil {
      let value = body.values[index]
      let id = addValue(name: value.name, type: value.type)
      map[ValueID(index)] = id
      constants[id] = body.constants[ValueID(index)]
    }
    return (body.nodes.map { $0.replacing(map) }, body.outputs.compactMap { map[$0] })
  }
}
