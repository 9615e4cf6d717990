import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Puts nodes that compute derivatives in the place of Gradient nodes.
///
/// A Gradient differentiates the nodes between its tensors, which are before it in the graph. Where
/// it gets other values than these tensors, copies of the nodes compute the result from them. It
/// may differentiate what another Gradient computed.
package enum GradientExpansion: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.hasGradients else { return false }
    try graph.inferTypes()
    var expansion = Expansion()
    try expansion.expand(&graph, independent: [])
    return true
  }
}

private struct Expansion {
  /// How many more nodes Gradient nodes may become. Each derivative of a derivative has several
  /// times as many as the one before.
  private var nodesLeft = 1 << 16
  /// How many more nodes the searches for those between tensors may look at.
  private var visitsLeft = 1 << 22

  /// - Parameter independent: captured values of a body that follow from nothing in the graphs
  ///   around it
  mutating func expand(_ graph: inout Graph, independent: Set<ValueID>) throws {
    let nodes = graph.nodes
    graph.nodes = []
    graph.nodes.reserveCapacity(nodes.count)
    for node in nodes {
      try withPlace(graph.label(node)) {
        if node.is(Gradient.self) {
          try expand(node, &graph, independent)
        } else {
          graph.nodes.append(try expandingBodies(of: node, in: graph, independent))
        }
      }
    }
  }

  private mutating func expandingBodies(
    of node: Node, in graph: Graph, _ independent: Set<ValueID>
  ) throws -> Node {
    var copy = node
    for (name, attribute) in node.attributes {
      guard case .graph(var body) = attribute, body.hasGradients else { continue }
      let inputs = independent.union(graph.inputs)
      let captured = body.captures.filter { _, outer in
        graph.constants[outer] != nil || graph.parameters[outer] != nil || inputs.contains(outer)
      }
      try withPlace("graph '\(body.name)'") {
        try expand(&body, independent: Set(captured.keys))
      }
      copy.attributes[name] = .graph(body)
    }
    return copy
  }

  /// Appends nodes that compute the outputs of a Gradient to those before it.
  private mutating func expand(
    _ node: Node, _ graph: inout Graph, _ independent: Set<ValueID>
  ) throws {
    guard let operation = try node.operation(as: Gradient.self) else { return }
    let inputs = node.inputs.compactMap { $0 }
    let count = operation.sourceCount
    guard inputs.count == node.inputs.count, inputs.count == 2 * count + 1,
      node.outputs.count <= operation.targetCount
    else {
      throw GraftError.badData(
        "has \(inputs.count) inputs and \(node.outputs.count) outputs for \(count) tensors")
    }
    let given = Array(inputs[..<count])
    let named = Array(inputs[count..<2 * count])
    guard Set(named).count == count else {
      throw GraftError.badData("'xs' and 'zs' name a tensor twice")
    }
    let path = try path(from: named, to: inputs[2 * count], in: graph, independent)

    // While it is differentiated, the graph has the nodes between the tensors alone, so that no
    // gradient goes elsewhere.
    var before = graph.nodes
    graph.nodes = path.map { before[$0] }
    var targets = named
    var result = inputs[2 * count]
    if given != named {
      var copies: [ValueID: ValueID] = [:]
      for (index, (value, tensor)) in zip(given, named).enumerated() where value != tensor {
        // One value may be given for two tensors.
        let copy = graph.addValue(name: graph[tensor].name, type: graph[value].type)
        before.append(
          Node(operatorType: Identity.schema.name, inputs: [value], outputs: [copy]))
        copies[tensor] = copy
        targets[index] = copy
      }
      for node in graph.nodes {
        for case let output? in node.outputs {
          copies[output] = graph.addValue(name: graph[output].name)
        }
      }
      graph.nodes = graph.nodes.map { $0.replacing(copies) }
      result = copies[result] ?? result
      try graph.inferTypes()
    }
    try differentiate(result, by: targets, node.outputs, &graph)
    // Loops give out more when they are differentiated.
    var changed = graph.nodes[...]
    if given == named {
      for (place, node) in zip(path, changed) { before[place] = node }
      changed = changed.dropFirst(path.count)
    }
    graph.nodes = before + changed
  }

  /// Appends nodes that compute the derivatives of a value.
  ///
  /// - Parameter outputs: the values that are to be the derivatives
  private mutating func differentiate(
    _ result: ValueID, by targets: [ValueID], _ outputs: [ValueID?], _ graph: inout Graph
  ) throws {
    guard let elementType = graph.elementType(result), elementType.isFloatingPoint else {
      throw GraftError.badData("'\(graph[result].name)' is not a tensor of floating point")
    }
    let one = try Tensor(doubles: [1], as: elementType, shape: [1])
    let seed = graph.addNode(
      "ConstantOfShape", [graph.addNode("Shape", [result])],
      attributes: ["value": .tensor(one)])
    let wanted = zip(targets, outputs).filter { $1 != nil }
    let gradients = try GradientPass.append(
      to: &graph, seeds: [(result, seed)], targets: wanted.map { $0.0 })
    for (target, output) in wanted {
      let gradient = try gradients[target] ?? graph.appendZeros(like: target)
      graph.nodes.append(
        Node(operatorType: Identity.schema.name, inputs: [gradient], outputs: [output]))
    }
    nodesLeft -= graph.nodes.count
    guard nodesLeft >= 0 else {
      throw GraftError.unsupported("the Gradient nodes of the model become too many nodes")
    }
  }

  /// The nodes that compute a value from some of the sources, in order.
  ///
  /// - Throws: `GraftError` if a source is computed from others, or it is not known whether the
  ///   value is
  private mutating func path(
    from named: [ValueID], to result: ValueID, in graph: Graph, _ independent: Set<ValueID>
  ) throws -> [Int] {
    visitsLeft -= 2 * graph.nodes.count
    guard visitsLeft >= 0 else {
      throw GraftError.unsupported("the Gradient nodes of the model differentiate too many nodes")
    }
    let sources = Set(named)
    var dependent = sources
    var isDependent = [Bool](repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated()
    where node.reads.contains(where: dependent.contains) {
      isDependent[index] = true
      for case let output? in node.outputs {
        guard !sources.contains(output) else {
          throw GraftError.badData(
            "'\(graph[output].name)', named in 'xs' or 'zs', is computed from others of them",
            hint: "Name the variables that it follows from, or it in place of them")
        }
        dependent.insert(output)
      }
    }
    var needed = Set([result]).subtracting(sources)
    var path: [Int] = []
    for (index, node) in graph.nodes.enumerated().reversed()
    where node.outputs.contains(where: { $0.map(needed.contains) ?? false }) {
      if isDependent[index] { path.append(index) }
      needed.formUnion(node.reads.filter { !sources.contains($0) })
    }
    // In a body, values of the graphs around it may depend on sources that come from there, too.
    if sources.contains(where: { graph.captures[$0] != nil }),
      let other = needed.first(where: { graph.captures[$0] != nil && !independent.contains($0) })
    {
      throw GraftError.unsupported(
        "differentiates in a body, but '\(graph[other].name)' is computed around it",
        hint: "Name it in 'zs', or compute it in the body")
    }
    return path.reversed()
  }
}

extension Graph {
  /// Whether there are Gradient nodes, in bodies too.
  fileprivate var hasGradients: Bool {
    nodes.contains { $0.is(Gradient.self) || $0.bodies.contains { $0.hasGradients } }
  }
}
