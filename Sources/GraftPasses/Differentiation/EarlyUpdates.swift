import GraftGraph

/// Moves the nodes that update parameters right after the last readers of the old values, so that
/// not all gradients are in memory until the end.
package enum EarlyUpdates {
  /// - Parameter start: the index of the first of these nodes, which are the last in the graph
  package static func run(_ graph: inout Graph, from start: Int) {
    guard start > 0 else { return }
    let parameters = Dictionary(
      graph.updates.map { ($0.newValue, $0.parameter) }, uniquingKeysWith: { first, _ in first })
    // The node after which each value exists, and the last reader of each parameter.
    var made: [ValueID: Int] = [:]
    var lastReads: [ValueID: Int] = [:]
    for (index, node) in graph.nodes[..<start].enumerated() {
      for case let output? in node.outputs { made[output] = index }
      for input in node.reads { lastReads[input] = index }
    }
    var moved: [Int: [Node]] = [:]
    for node in graph.nodes[start...] {
      let changed = node.outputs.compactMap { $0.flatMap { parameters[$0] } }
      let place =
        (node.inputs.compactMap { $0.flatMap { made[$0] } } + changed.compactMap { lastReads[$0] })
        .max() ?? start - 1
      moved[place, default: []].append(node)
      for case let output? in node.outputs { made[output] = place }
    }
    var nodes: [Node] = []
    nodes.reserveCapacity(graph.nodes.count)
    for (index, node) in graph.nodes[..<start].enumerated() {
      nodes.append(node)
      nodes += moved[index] ?? []
    }
    graph.nodes = nodes
  }
}
