import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Makes bodies smaller: outputs that nobody reads go, and so do values that a loop carries along
/// without changing them, which its body captures then.
package enum BodySimplification: GraphPass {
  package static func run(_ graph: inout Graph) throws -> Bool {
    guard graph.nodes.contains(where: { !$0.bodies.isEmpty }) else { return false }
    let useCounts = graph.useCounts()
    var didChange = false
    var replacements: [ValueID: ValueID] = [:]
    for index in graph.nodes.indices where !graph.nodes[index].bodies.isEmpty {
      var node = graph.nodes[index]
      // Only an If can do without its output 0.
      for position in node.outputs.indices where position > 0 || node.is(If.self) {
        if let output = node.outputs[position], useCounts[output] == nil {
          node.outputs[position] = nil
        }
      }
      let changed: Bool
      if node.is(If.self) {
        changed = dropOutputs(of: &node, If.branches, from: 0, offset: 0)
      } else if node.is(Loop.self) {
        let unchanged = dropUnchanged(
          &node, firstInput: 2, bodyInput: 2, bodyOutput: 1, graph, &replacements)
        let carriedCount = max(0, node.inputs.count - 2)
        let unread = dropOutputs(of: &node, ["body"], from: carriedCount, offset: 1)
        changed = unchanged || unread
      } else if node.is(Scan.self) {
        changed = dropUnchanged(
          &node, firstInput: 0, bodyInput: 0, bodyOutput: 0, graph, &replacements)
      } else {
        changed = false
      }
      // Operators always compute output 0.
      if changed, node.outputs.first ?? nil != nil {
        graph.nodes[index] = node
        didChange = true
      }
      if try dropUnread(&graph.nodes[index]) { didChange = true }
    }
    graph.replaceUses(replacements)
    return didChange
  }

  /// Removes nodes of bodies that nobody reads, and captured values that these were the last to
  /// read.
  private static func dropUnread(_ node: inout Node) throws -> Bool {
    var didChange = false
    for (name, attribute) in node.attributes {
      guard case .graph(var body) = attribute else { continue }
      var changed = try DeadNodeElimination.run(&body)
      for index in body.nodes.indices where !body.nodes[index].bodies.isEmpty {
        if try dropUnread(&body.nodes[index]) { changed = true }
      }
      var read = Set(body.outputs)
      for node in body.nodes { read.formUnion(node.reads) }
      for inner in body.captures.keys where !read.contains(inner) {
        body.captures[inner] = nil
        changed = true
      }
      guard changed else { continue }
      node.attributes[name] = .graph(body)
      didChange = true
    }
    return didChange
  }

  /// Removes outputs without readers from a node and its bodies.
  ///
  /// - Parameters:
  ///   - first: the first output that may go
  ///   - offset: the outputs of a body before those of the node
  private static func dropOutputs(
    of node: inout Node, _ attributes: [String], from first: Int, offset: Int
  ) -> Bool {
    let outputs = node.outputs
    var kept = outputs.indices.filter { $0 < first || outputs[$0] != nil }
    let bodies = attributes.compactMap { name -> Graph? in
      if case .graph(let body)? = node.attributes[name] { body } else { nil }
    }
    guard bodies.count == attributes.count,
      bodies.allSatisfy({ $0.outputs.count >= offset + outputs.count }),
      bodies.contains(where: { $0.outputs.count > offset + kept.count })
    else { return false }
    // A node has an output 0.
    if kept.isEmpty { kept = [0] }
    guard outputs[kept[0]] != nil || first > 0,
      bodies.contains(where: { $0.outputs.count > offset + kept.count })
    else { return false }
    for (name, body) in zip(attributes, bodies) {
      var smaller = body
      smaller.outputs = Array(body.outputs[..<offset]) + kept.map { body.outputs[offset + $0] }
      node.attributes[ByteString(name)] = .graph(smaller)
    }
    node.outputs = kept.map { outputs[$0] }
    return true
  }

  /// Makes carried values that the body does not change values that it captures.
  ///
  /// - Parameters:
  ///   - firstInput: the node's input that is the first carried value
  ///   - bodyInput: the body's input for it
  ///   - bodyOutput: the body's output for it
  private static func dropUnchanged(
    _ node: inout Node, firstInput: Int, bodyInput: Int, bodyOutput: Int, _ graph: Graph,
    _ replacements: inout [ValueID: ValueID]
  ) -> Bool {
    guard case .graph(var body)? = node.attributes["body"] else { return false }
    let count = carriedCount(node, body, firstInput)
    guard body.inputs.count >= bodyInput + count, body.outputs.count >= bodyOutput + count,
      node.inputs.count >= firstInput + count
    else { return false }
    let producers = body.producers()
    var unchanged: [Int] = []
    for index in 0..<count {
      let inner = body.inputs[bodyInput + index]
      guard body.origin(of: body.outputs[bodyOutput + index], producers) == inner,
        let outer = node.inputs[firstInput + index]
      else { continue }
      // A body may give one value twice; the other output still needs it as it is.
      unchanged.append(index)
      body.captures[inner] = outer
      body[inner].type = graph[outer].type ?? body[inner].type
    }
    // A node has at least one output.
    let remaining = node.outputs.indices.filter { !unchanged.contains($0) }
    guard !unchanged.isEmpty, remaining.contains(where: { node.outputs[$0] != nil }),
      remaining.first.map({ node.outputs[$0] != nil }) ?? false
    else { return false }
    for index in unchanged where index < node.outputs.count {
      if let output = node.outputs[index], let outer = node.inputs[firstInput + index] {
        replacements[output] = outer
      }
    }
    for index in unchanged.reversed() {
      body.inputs.remove(at: bodyInput + index)
      body.outputs.remove(at: bodyOutput + index)
      node.inputs.remove(at: firstInput + index)
      if index < node.outputs.count { node.outputs.remove(at: index) }
    }
    node.attributes["body"] = .graph(body)
    return true
  }

  private static func carriedCount(_ node: Node, _ body: Graph, _ firstInput: Int) -> Int {
    if node.is(Loop.self) { return max(0, body.inputs.count - 2) }
    guard case .int(let scanCount)? = node.attributes["num_scan_inputs"] else { return 0 }
    return max(0, body.inputs.count - max(0, scanCount))
  }
}
