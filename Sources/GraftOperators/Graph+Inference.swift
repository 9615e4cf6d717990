import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension Graph {
  /// Infers the types of all values that nodes compute, as far as they are known before running.
  ///
  /// - Throws: `GraftError` naming the node, if a node is invalid
  package mutating func inferTypes() throws {
    for index in nodes.indices { try inferTypes(ofNodeAt: index) }
  }

  /// Infers the types of values without one; those declared in the file stay.
  ///
  /// - Throws: `GraftError` naming the node, if a node is invalid
  package mutating func inferMissingTypes() throws {
    for index in nodes.indices {
      let isMissing = nodes[index].outputs.contains { $0.map { self[$0].type == nil } ?? false }
      if isMissing { try inferTypes(ofNodeAt: index) }
    }
  }

  /// Infers the types of one node's outputs, and of the values in its bodies.
  package mutating func inferTypes(ofNodeAt index: Int) throws {
    let node = nodes[index]
    try withPlace(label(node)) {
      guard OperatorCatalog.type(of: node) != nil else { return }
      let bodies = GraphBodyInference(of: node, in: self) { constants[$0] }
      let types = try inferredTypes(of: node, contents: { constants[$0] }, bodies: bodies)
      for (output, type) in zip(node.outputs, types) {
        guard let output, let type else { continue }
        self[output].type = type
      }
      if let bodies { try bodies.update(&nodes[index]) }
    }
  }

  /// The types of a node's outputs; `nil` where they are unknown.
  package func inferredTypes(
    of node: Node, contents: (ValueID) -> Tensor?
  ) throws -> [ValueType?] {
    try inferredTypes(
      of: node, contents: contents,
      bodies: GraphBodyInference(of: node, in: self, contents: contents))
  }

  private func inferredTypes(
    of node: Node, contents: (ValueID) -> Tensor?, bodies: GraphBodyInference?
  ) throws -> [ValueType?] {
    let operation = try OperatorCatalog.make(node)
    var context = inferenceContext(of: node, contents: contents, bodies: bodies)
    do {
      try operation.inferTypes(&context)
    } catch is InferenceStop {
      // Results from before the stop are still valid.
    }
    return context.outputTypes
  }

  /// The environment of a node's inference.
  package func inferenceContext(of node: Node, contents: (ValueID) -> Tensor?) -> InferenceContext {
    inferenceContext(
      of: node, contents: contents,
      bodies: GraphBodyInference(of: node, in: self, contents: contents))
  }

  func inferenceContext(
    of node: Node, contents: (ValueID) -> Tensor?, bodies: GraphBodyInference?
  ) -> InferenceContext {
    let unknown = node.inputs.enumerated().filter { _, input in
      input.map { self[$0].type == nil } ?? false
    }
    return InferenceContext(
      inputTypes: node.inputs.map { $0.flatMap { self[$0].type } },
      inputContents: node.inputs.map { $0.flatMap(contents) },
      wantedOutputs: node.outputs.map { $0 != nil }, unknownInputs: Set(unknown.map(\.offset)),
      bodies: bodies)
  }
}
