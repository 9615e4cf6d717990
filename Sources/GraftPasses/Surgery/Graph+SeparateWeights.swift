import GraftGraph
import GraftOperators

extension Graph {
  /// The same graph with a separate constant for each weight that training changes.
  ///
  /// Exporters store equal tensors once: PyTorch's lets later layers read them through Identity,
  /// others refer to them twice. Nodes with only constant inputs are computed here. Running
  /// statistics with other readers get their own constant, since each normalization updates its
  /// own.
  package func withSeparateWeights() throws -> Graph {
    var graph = self
    _ = try ConstantFolding.run(&graph)
    var counts = graph.useCounts()
    for index in graph.nodes.indices where graph.nodes[index].is(BatchNormalization.self) {
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
