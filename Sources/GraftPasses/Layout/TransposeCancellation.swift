import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Merges consecutive Transposes into one, and consecutive Reshapes into the last.
package enum TransposeCancellation: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    var didChange = false
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let input = node.inputs.first ?? nil, let producer = producers[input],
        let source = graph.nodes[producer].inputs.first ?? nil
      else { continue }
      let first = graph.nodes[producer]
      if let outer = try node.operation(as: Transpose.self)?.permutation,
        let inner = try first.operation(as: Transpose.self)?.permutation,
        outer.count == inner.count
      {
        graph.nodes[index].inputs[0] = source
        graph.nodes[index].attributes["perm"] = .ints(outer.map { inner[$0] })
        didChange = true
      } else if node.is(Reshape.self), OperatorCatalog.type(of: first)?.onlyReshapes == true {
        // A 0 in the target keeps an extent of the input, which therefore must not change.
        guard node.inputs.count == 2, let target = graph.constant(node.inputs[1]),
          try !target.integers().contains(0)
        else { continue }
        graph.nodes[index].inputs[0] = source
        didChange = true
      }
    }
    return didChange
  }
}
