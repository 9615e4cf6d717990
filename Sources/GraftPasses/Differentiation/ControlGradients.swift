import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Differentiates nodes with bodies.
///
/// The gradient of an If is an If: each branch computes its values again and carries the gradients
/// back to what it captures. The gradient of a Loop or a Scan is a Scan over the trips in reverse:
/// the forward node keeps the values that come into each trip, and each backward trip computes the
/// body again, and adds to the gradients of captured values.
enum ControlGradients {
  /// Appends the backward nodes of the node at `index`, which may get further outputs.
  ///
  /// - Parameters:
  ///   - outputGradients: the gradients of the node's outputs, where there are some
  ///   - needed: the values that need gradients
  /// - Returns: gradients of inputs and captured values
  static func append(
    to graph: inout Graph, nodeAt index: Int, _ outputGradients: [ValueID?], needed: Set<ValueID>
  ) throws -> [(ValueID, ValueID)] {
    let node = graph.nodes[index]
    if node.is(If.self) {
      return try appendBranches(to: &graph, node, outputGradients, needed: needed)
    }
    guard node.is(Loop.self) || node.is(Scan.self) else {
      throw GraftError.unsupported("\(node.qualifiedType) has no gradient yet")
    }
    var trips = try TripGradients(nodeAt: index, in: graph, outputGradients, needed: needed)
    return try trips.append(to: &graph)
  }

  // MARK: If

  private static func appendBranches(
    to graph: inout Graph, _ node: Node, _ outputGradients: [ValueID?], needed: Set<ValueID>
  ) throws -> [(ValueID, ValueID)] {
    var captured: [ValueID] = []
    for case .graph(let body)? in If.branches.map({ node.attributes[$0] }) {
      for outer in body.captures.values.sorted()
      where needed.contains(outer) && !captured.contains(outer) {
        if try graph.isDifferentiableCapture(outer) { captured.append(outer) }
      }
    }
    guard !captured.isEmpty else { return [] }
    var attributes: [ByteString: Attribute] = [:]
    for name in If.branches {
      guard case .graph(let body)? = node.attributes[name] else {
        throw GraftError.badData("attribute '\(name)' is missing")
      }
      attributes[name] = .graph(
        try withPlace("graph '\(body.name)'") {
          try branch(body, outputGradients, captured, graph)
        })
    }
    let outputs = graph.addNode(
      "If", node.inputs, attributes: attributes, outputCount: captured.count)
    return Array(zip(captured, outputs))
  }

  /// A branch that computes the gradients of captured values.
  private static func branch(
    _ body: Graph, _ outputGradients: [ValueID?], _ captured: [ValueID], _ graph: Graph
  ) throws -> Graph {
    var backward = body
    backward.name = "\(body.name)/gradient"
    var seeds: [(value: ValueID, gradient: ValueID)] = []
    for (output, gradient) in zip(body.outputs, outputGradients) {
      guard let gradient else { continue }
      seeds.append((output, backward.capture(gradient, of: graph)))
    }
    var inner: [[ValueID]] = []
    for outer in captured { inner.append(backward.allCaptures(outer, of: graph)) }
    let gradients = try GradientPass.append(
      to: &backward, seeds: seeds, targets: Array(inner.joined()))
    backward.outputs = try inner.map { values in
      try backward.appendSum(values.compactMap { gradients[$0] })
        ?? backward.appendZeros(like: values[0])
    }
    return backward
  }
}

extension Graph {
  /// The value of this body that is a value of the enclosing graph.
  mutating func capture(_ outer: ValueID, of graph: Graph) -> ValueID {
    if let inner = captures.filter({ $0.value == outer }).keys.min() { return inner }
    let inner = addValue(name: graph[outer].name, type: graph[outer].type)
    captures[inner] = outer
    return inner
  }

  /// All values of this body that are one value of the enclosing graph: at least one.
  mutating func allCaptures(_ outer: ValueID, of graph: Graph) -> [ValueID] {
    let first = capture(outer, of: graph)
    return [first] + captures.filter { $0.value == outer && $0.key != first }.keys.sorted()
  }

  /// Appends a node that adds values; `nil` without any.
  mutating func appendSum(_ values: [ValueID]) -> ValueID? {
    values.count > 1 ? addNode("Sum", values) : values.first
  }

  /// Appends nodes that compute zeros of a value's type and shape.
  mutating func appendZeros(like value: ValueID) throws -> ValueID {
    guard let elementType = elementType(value) else {
      throw GraftError.unsupported("the element type of '\(self[value].name)' is not known")
    }
    let zero = try Tensor(zeros: elementType, shape: [1])
    return addNode(
      "ConstantOfShape", [addNode("Shape", [value])], attributes: ["value": .tensor(zero)])
  }

  /// Whether gradients go to a value that a body captures.
  ///
  /// - Throws: `GraftError` for a sequence, whose gradient would get lost
  func isDifferentiableCapture(_ value: ValueID) throws -> Bool {
    if let type = self[value].type, type.tensor == nil {
      throw GraftError.unsupported("a body that captures \(type) has no gradient")
    }
    return isDifferentiable(value)
  }

  /// Whether a value is a tensor of floating point, or of unknown type.
  func isDifferentiable(_ value: ValueID) -> Bool {
    guard let type = self[value].type else { return true }
    return type.tensor?.elementType.isFloatingPoint ?? false
  }
}
