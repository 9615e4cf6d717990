import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators

/// Gives nodes that draw random numbers without a seed the attribute `stream`: a hash of their
/// output's name. So they draw different numbers, which other parts of the graph do not change. In
/// loops they draw others in each trip (`RandomSource`).
package enum RandomStreams: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    var didChange = false
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      if node.drawsUnseeded, node.attributes["stream"] == nil,
        let output = node.outputs.first ?? nil
      {
        graph.nodes[index].attributes["stream"] = .int(hash(graph[output].name))
        didChange = true
      }
      for (name, attribute) in node.attributes {
        switch attribute {
        case .graph(var body):
          guard try run(&body) else { continue }
          graph.nodes[index].attributes[name] = .graph(body)
          didChange = true
        case .graphs(var bodies):
          var didChangeBody = false
          for place in bodies.indices where try run(&bodies[place]) { didChangeBody = true }
          guard didChangeBody else { continue }
          graph.nodes[index].attributes[name] = .graphs(bodies)
          didChange = true
        default: break
        }
      }
    }
    return didChange
  }

  /// FNV-1a
  private static func hash(_ name: String) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(Int64(bitPattern: hash))
  }
}

extension Node {
  /// Whether the node draws other numbers than an equal one.
  fileprivate var drawsUnseeded: Bool {
    OperatorCatalog.type(of: self)?.drawsUnseeded == true && attributes["seed"] == nil
  }
}

extension Graph {
  /// Whether nodes draw random numbers without a seed, in bodies too.
  var drawsUnseeded: Bool {
    nodes.contains { $0.drawsUnseeded || $0.bodies.contains(where: \.drawsUnseeded) }
  }
}
