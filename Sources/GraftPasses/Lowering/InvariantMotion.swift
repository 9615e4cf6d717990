import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Moves nodes out of the bodies of loops that compute the same in every trip: those that read
/// only captured values and constants.
///
/// A loop may make no trip. So only nodes move that cannot fail then: elementwise operators,
/// products and the like, for shapes that fit together.
package enum InvariantMotion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { isLoop($0) }) else { return false }
    var nodes: [Node] = []
    var didChange = false
    for node in graph.nodes {
      guard isLoop(node), case .graph(var body)? = node.attributes["body"] else {
        nodes.append(node)
        continue
      }
      let moved = try move(from: &body, to: &graph)
      var changed = node
      if !moved.isEmpty {
        changed.attributes["body"] = .graph(body)
        didChange = true
      }
      nodes += moved
      nodes.append(changed)
    }
    graph.nodes = nodes
    return didChange
  }

  private static func isLoop(_ node: Node) -> Bool { node.is(Loop.self) || node.is(Scan.self) }

  /// Removes invariant nodes from a body.
  ///
  /// - Returns: these nodes, with values of the enclosing graph
  private static func move(from body: inout Graph, to graph: inout Graph) throws -> [Node] {
    var moved: [Node] = []
    var kept: [Node] = []
    /// Values of the body as values of the enclosing graph.
    var outer = body.captures
    for node in body.nodes {
      let inputs = node.inputs.compactMap { $0 }
      let isInvariant =
        inputs.contains { outer[$0] != nil }
        && inputs.allSatisfy { outer[$0] != nil || body.constants[$0] != nil }
      guard isInvariant, isSafe(node, in: body) else {
        kept.append(node)
        continue
      }
      var copy = node
      for (position, input) in node.inputs.enumerated() {
        guard let input else { continue }
        if outer[input] == nil, let constant = body.constants[input] {
          outer[input] = graph.addConstant(name: body[input].name, constant)
        }
        copy.inputs[position] = outer[input]
      }
      for (position, output) in node.outputs.enumerated() {
        guard let output else { continue }
        let id = graph.addValue(name: body[output].name, type: body[output].type)
        copy.outputs[position] = id
        outer[output] = id
        body.captures[output] = id
      }
      moved.append(copy)
    }
    body.nodes = kept
    return moved
  }

  /// Whether a node can run although the loop makes no trip.
  private static func isSafe(_ node: Node, in body: Graph) -> Bool {
    guard node.bodies.isEmpty, let type = OperatorCatalog.type(of: node),
      let operation = try? OperatorCatalog.make(node), operation.isDeterministic,
      type.operandCount > 0 || type.isWeightedSum || node.is(Transpose.self) || node.is(Cast.self)
    else { return false }
    // Not every text is a number.
    guard node.inputs.allSatisfy({ body.elementType($0) != .string }) else { return false }
    // A single operand fits whatever its shape is.
    let present = node.inputs.compactMap { $0 }
    return present.count == 1
      || present.allSatisfy { body[$0].type?.tensor?.shape?.knownShape != nil }
  }
}
