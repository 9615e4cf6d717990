import GraftFiles
import GraftTensor
import GraftGraph

/// Merges consecutive Transposes into one, and consecutive Reshapes into the last.
package enum TransposeCancellation: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    let producers = graph.producers()
    var didChange = false
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard node.domain.isEmpty, let input = node.inputs.first ?? nil,
        let producer = producers[input], graph.nodes[producer].domain.isEmpty,
        let source = graph.nodes[producer].inputs.first ?? nil
      else { continue }
      switch (node.operatorType, graph.nodes[producer].operatorType) {
      case ("Transpose", "Transpose"):
        guard let outer = try AttributeReader(node.attributes).ints("perm"),
          let inner = try AttributeReader(graph.nodes[producer].attributes).ints("perm"),
          outer.count == inner.count, outer.allSatisfy(inner.indices.contains)
        else { continue }
        graph.nodes[index].inputs[0] = source
        graph.nodes[index].attributes["perm"] = .ints(outer.map { inner[$0] })
        didChange = true
      case ("Reshape", "Reshape"), ("Reshape", "Flatten"), ("Reshape", "Squeeze"),
        ("Reshape", "Unsqueeze"):
        // A 0 in the target keeps an extent of the input, which therefore must not change.
        guard node.inputs.count == 2, let target = graph.constant(node.inputs[1]),
          try !target.integers().contains(0)
        else { continue }
        graph.nodes[index].inputs[0] = source
        didChange = true
      default: continue
      }
    }
    return didChange
  }
}
