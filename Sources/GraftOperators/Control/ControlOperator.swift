import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An operator whose attributes hold the bodies that it runs.
protocol ControlOperator: BodyOperator {
  var bodies: [ByteString: Graph] { get }
}

extension ControlOperator {
  package func bodyInference() -> any BodyInference {
    let node = Node(
      operatorType: Self.schema.name, domain: Self.schema.domain, inputs: [], outputs: [],
      attributes: bodies.mapValues { .graph($0) })
    return GraphBodyInference(of: node, types: { _ in nil }, contents: { _ in nil })
      ?? NoBodies()
  }

  package func interpretedBodies() -> [ByteString: any BodyProgram] {
    bodies.mapValues { InterpretedBody(graph: $0) }
  }
}

/// For an operator whose bodies are missing.
private struct NoBodies: BodyInference {
  var depth: Int { 0 }

  func infer(
    _ attribute: String, _ inputs: [ValueType?], contents: [Tensor?]
  ) throws -> [BodyValue] {
    throw GraftError.badData("attribute '\(attribute)' is missing")
  }
}

/// A body that runs node by node; it captures nothing.
private struct InterpretedBody: InterpretedProgram {
  let graph: Graph

  func run(_ inputs: [RuntimeValue], _ memory: MemoryBudget?) throws -> [RuntimeValue] {
    guard graph.captures.isEmpty, graph.inputs.count == inputs.count else {
      throw GraftError.badData(
        "a body has \(graph.inputs.count) inputs and captures \(graph.captures.count) values; it "
          + "gets \(inputs.count)")
    }
    var values = graph.constants.mapValues { RuntimeValue.tensor($0) }
    for (id, value) in zip(graph.inputs, inputs) { values[id] = value }
    for node in graph.nodes {
      try withPlace(graph.label(node)) {
        var node = node
        for (name, attribute) in node.attributes {
          guard case .graph(var body) = attribute else { continue }
          for (inner, outer) in body.captures {
            body.constants[inner] = try values[outer]?.tensor
          }
          body.captures = [:]
          node.attributes[name] = .graph(body)
        }
        let outputs = try evaluate(
          OperatorCatalog.make(node), inputs: node.inputs.map { $0.flatMap { values[$0] } },
          inputTypes: node.inputs.map { $0.flatMap { graph[$0].type } },
          wantedOutputs: node.outputs.map { $0 != nil },
          memoryLimit: memory?.byteCount ?? .max)
        for (id, value) in zip(node.outputs, outputs) {
          if let id { values[id] = value }
        }
      }
    }
    return try graph.outputs.map { id in
      guard let value = values[id] else {
        throw GraftError.badData("the body does not compute '\(graph[id].name)'")
      }
      return value
    }
  }
}

extension Graph {
  /// For examples: a body.
  static func example(_ name: String, _ fill: (inout Graph) -> [ValueID]) -> Graph {
    var graph = Graph(name: name)
    graph.outputs = fill(&graph)
    return graph
  }
}
