import GraftGraph

extension Graph {
  /// The same graph with a constant for each weight that training changes.
  ///
  /// Exporters store equal tensors once: PyTorch's lets further layers read them through Identity, others name them
  /// twice. What nodes compute of constants alone is computed here, and running statistics that something else reads, too,
  /// get a constant of their own: each normalization replaces them by what it sees itself.
  package func withSeparateWeights() throws -> Graph {
    var graph = self
    _ = try ConstantFolding.run(&graph)
    var counts = graph.useCounts()
    for index in graph.nodes.indices where graph.nodes[index].qualifiedType == "BatchNormalization"
    {
      for position in 3..<max(3, min(5, graph.nodes[index].inputs.count)) {
        guard let id = graph.nodes[index].inputs[position], let count = counts[id], count > 1,
          let statistic = graph.constants[id]
        else { continue }
        counts[id] = count - 1
        graph.nodes[index].inputs[position] = graph.addConstant(
          name: "\(graph[id].name)_\(count)", statistic)
      }
    }
    return graph
  }
}
