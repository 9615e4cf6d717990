import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor
import Synchronization

/// Infers the bodies of a node in a graph whose extents may be symbols.
package final class GraphBodyInference: BodyInference {
  /// A body with the types and contents of what it captures.
  private struct Body {
    var graph: Graph
    var contents: [ValueID: Tensor] = [:]
  }

  package let depth: Int
  private let bodies: [ByteString: Body]
  /// The types of inputs in the last inference of each body.
  private let inputTypes = Mutex<[ByteString: [ValueType?]]>([:])

  /// - Returns: `nil` if the node has no bodies
  /// - Parameter depth: the number of bodies around the node
  convenience init?(
    of node: Node, in graph: Graph, depth: Int = 0, contents: (ValueID) -> Tensor?
  ) {
    self.init(of: node, depth: depth, types: { graph[$0].type }, contents: contents)
  }

  /// - Returns: `nil` if the node has no bodies
  /// - Parameters:
  ///   - depth: the number of bodies around the node
  ///   - types: returns the type of a value of the enclosing graph
  ///   - contents: returns its contents, if they are known
  package init?(
    of node: Node, depth: Int = 0, types: (ValueID) -> ValueType?, contents: (ValueID) -> Tensor?
  ) {
    var bodies: [ByteString: Body] = [:]
    for (name, attribute) in node.attributes {
      guard case .graph(let body) = attribute else { continue }
      var item = Body(graph: body)
      for (inner, outer) in body.captures {
        item.graph[inner].type = types(outer) ?? body[inner].type
        item.contents[inner] = contents(outer)
      }
      bodies[name] = item
    }
    guard !bodies.isEmpty else { return nil }
    self.depth = depth
    self.bodies = bodies
  }

  package func infer(
    _ attribute: String, _ inputs: [ValueType?], contents: [Tensor?]
  ) throws -> [BodyValue] {
    guard var body = bodies[attribute] else {
      throw GraftError.badData("attribute '\(attribute)' is missing")
    }
    inputTypes.withLock { $0[ByteString(attribute)] = inputs }
    for (id, tensor) in zip(body.graph.inputs, contents) { body.contents[id] = tensor }
    return try withPlace("graph '\(body.graph.name)'") {
      try infer(&body, inputs, updatesBodies: false)
      return body.graph.outputs.map {
        BodyValue(
          type: body.graph[$0].type, contents: body.contents[$0] ?? body.graph.constants[$0])
      }
    }
  }

  /// Gives the values in the node's bodies the types of the last inference.
  ///
  /// A body that does not fit together keeps the types so far: it may never run.
  func update(_ node: inout Node) throws {
    for (name, inputs) in inputTypes.withLock({ $0 }) {
      guard var body = bodies[name] else { continue }
      guard (try? infer(&body, inputs, updatesBodies: true)) != nil else { continue }
      node.attributes[name] = .graph(body.graph)
    }
  }

  private func infer(
    _ body: inout Body, _ inputs: [ValueType?], updatesBodies: Bool
  ) throws {
    // What the file declares may hold for the first trip of a loop only.
    let keepsDeclared = depth == 0 && body.graph.inputs.isEmpty
    for (position, id) in body.graph.inputs.enumerated() {
      let declared = body.graph[id].type
      body.graph[id].type =
        (position < inputs.count ? inputs[position] : nil) ?? declared?.withoutShape
    }
    for index in body.graph.nodes.indices {
      let node = body.graph.nodes[index]
      guard OperatorCatalog.type(of: node) != nil else { continue }
      try withPlace(body.graph.label(node)) {
        try infer(index, &body, keepsDeclared, updatesBodies)
      }
    }
  }

  private func infer(
    _ index: Int, _ body: inout Body, _ keepsDeclared: Bool, _ updatesBodies: Bool
  ) throws {
    let node = body.graph.nodes[index]
    let operation = try OperatorCatalog.make(node)
    let contents = body.contents
    func known(_ id: ValueID) -> Tensor? { contents[id] ?? body.graph.constants[id] }
    let bodies = GraphBodyInference(of: node, in: body.graph, depth: depth + 1, contents: known)
    var context = body.graph.inferenceContext(of: node, contents: known, bodies: bodies)
    do {
      try operation.inferTypes(&context)
    } catch is InferenceStop {
      // Results from before the stop are still valid.
    }
    for (position, output) in node.outputs.enumerated() {
      guard let output else { continue }
      let declared = body.graph[output].type
      body.graph[output].type =
        context.outputTypes[position] ?? (keepsDeclared ? declared : declared?.withoutShape)
      body.contents[output] = context.outputContents[position]
    }
    if node.is(Identity.self), let input = node.inputs[0], let output = node.outputs[0] {
      body.contents[output] = known(input)
    }
    if updatesBodies, let bodies { try bodies.update(&body.graph.nodes[index]) }
  }
}
