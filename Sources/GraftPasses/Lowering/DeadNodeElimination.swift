import GraftGraph

/// Removes nodes whose outputs nothing reads, and marks unused outputs of the others.
package enum DeadNodeElimination: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    var live = Set(graph.outputs)
    for update in graph.updates { live.insert(update.newValue) }
    var dead: Set<Int> = []
    var didChange = false
    for index in graph.nodes.indices.reversed() {
      let node = graph.nodes[index]
      guard node.outputs.contains(where: { $0.map(live.contains) ?? false }) else {
        dead.insert(index)
        continue
      }
      for case let input? in node.inputs { live.insert(input) }
      for body in node.bodies { live.formUnion(body.captures.values) }
      // The first output often determines how to compute the others; it stays.
      for position in node.outputs.indices.dropFirst() {
        if let output = node.outputs[position], !live.contains(output) {
          graph.nodes[index].outputs[position] = nil
          didChange = true
        }
      }
    }
    graph.removeNodes(at: dead)
    let unread = graph.constants.keys.filter { !live.contains($0) }
    for id in unread { graph.constants[id] = nil }
    return didChange || !dead.isEmpty
  }
}
