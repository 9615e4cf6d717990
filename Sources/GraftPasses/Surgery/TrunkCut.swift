import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

extension Graph {
  /// The part of the graph before a value, which becomes its only output.
  ///
  /// - Parameter name: of a value, of the node with that first output, or a prefix of nodes' names,
  ///   of which the last one counts; `nil` for the input of the last layer with weights, i.e. a
  ///   classifier's features
  /// - Throws: `GraftError` with the nearest names, if there is no such value
  package func cutTrunk(at name: String?) throws -> Graph {
    var graph = self
    // Weights after Identity are weights too.
    _ = try ConstantFolding.run(&graph)
    let end = try name.map { try graph.value(named: $0) } ?? graph.lastFeatures()
    graph.outputs = [end]
    _ = try DeadNodeElimination.run(&graph)
    guard graph.nodes.contains(where: { !$0.inputs.isEmpty }) else {
      throw GraftError.usage("there is no part of the network before '\(graph[end].name)'")
    }
    return graph
  }

  private func value(named name: String) throws -> ValueID {
    let wanted = ByteString(name)
    if let node = nodes.last(where: { ByteString($0.name) == wanted }),
      let output = node.outputs.first ?? nil
    {
      return output
    }
    let computed = nodes.flatMap { $0.outputs.compactMap { $0 } }
    if let found = computed.first(where: { ByteString(self[$0].name) == wanted }) { return found }
    let pattern = LayerNamePattern(name)
    if let node = nodes.last(where: { pattern.matches(layerName(of: $0)) }),
      let output = node.outputs.first ?? nil
    {
      return output
    }
    let names = computed.map { self[$0].name } + nodes.map(\.name).filter { !$0.isEmpty }
    throw GraftError.usage(
      "the network has no node or value '\(name)'",
      hint: nearestNamesHint(
        name, among: names + names.flatMap(LayerNamePattern.beginnings)))
  }

  /// The input of the last weighted sum with constant weights, if the output comes from it.
  private func lastFeatures() throws -> ValueID {
    guard let output = outputs.first else { throw GraftError.badData("the model has no outputs") }
    let producers = producers()
    var current = output
    while let index = producers[current] {
      let node = nodes[index]
      let isWeighted =
        OperatorCatalog.type(of: node)?.isWeightedSum == true
        && node.inputs.dropFirst().contains { $0.map { constants[$0] != nil } ?? false }
      guard let data = node.inputs.first ?? nil else { break }
      if isWeighted { return data }
      let computed = node.inputs.compactMap { $0 }.filter { producers[$0] != nil }
      guard computed.count == 1 || computed.first == data else { break }
      current = data
    }
    throw GraftError.usage(
      "cannot determine where the network's features end",
      hint: "Name a node with --cut; `graft inspect` lists them")
  }
}
