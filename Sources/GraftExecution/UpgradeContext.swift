import GraftFiles
import GraftGraph
import GraftTensor

/// The environment of an operator's `upgrade`: the graph so far, and extra nodes.
///
/// Nodes are upgraded in topological order, with immediate type inference, so that the types of a
/// node's inputs are inferred as far as possible.
package struct UpgradeContext {
  /// For adding values and constants.
  package var graph: Graph
  /// The model's version of the operator's domain.
  package let opset: Int
  /// Nodes to run before the upgraded one, in order.
  package private(set) var nodesBefore: [Node] = []
  /// Nodes to run after it, in order.
  package private(set) var nodesAfter: [Node] = []

  package init(graph: Graph, opset: Int) {
    self.graph = graph
    self.opset = opset
  }

  /// The inferred type of an input.
  package func type(_ id: ValueID?) -> TensorType? { id.flatMap { graph[$0].type?.tensor } }

  /// - Throws: `GraftError` if the rank is unknown
  package func rank(_ id: ValueID?, of what: String) throws -> Int {
    guard let shape = type(id)?.shape else {
      throw GraftError.unsupported("needs the rank of \(what), which the model does not define")
    }
    return shape.count
  }

  package mutating func addConstant(_ tensor: Tensor) -> ValueID { graph.addConstant(tensor) }

  /// A 1-D int64 constant.
  package mutating func addIntegers(_ integers: [Int]) throws -> ValueID {
    graph.addConstant(try Tensor(integers.map(Int64.init), shape: [integers.count]))
  }

  /// Adds a node with one new output before the upgraded one.
  package mutating func addBefore(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute] = [:]
  ) -> ValueID {
    let output = graph.addValue()
    nodesBefore.append(
      Node(
        operatorType: operatorType, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  /// Adds the nodes of a body before the upgraded node.
  ///
  /// - Returns: the body's outputs
  package mutating func addBefore(_ body: Graph, _ inputs: [ValueID]) -> [ValueID] {
    let inlined = graph.nodes(of: body, inputs: inputs)
    nodesBefore += inlined.nodes
    return inlined.outputs
  }

  /// Adds a node after the upgraded one, which computes `output`.
  package mutating func addAfter(
    _ operatorType: String, _ inputs: [ValueID?], output: ValueID,
    attributes: [ByteString: Attribute] = [:]
  ) {
    nodesAfter.append(
      Node(
        operatorType: operatorType, inputs: inputs, outputs: [output], attributes: attributes))
  }
}

extension Node {
  /// Moves an ints attribute to an input, as ONNX did for `axes`, `pads`, `repeats` and others.
  package mutating func moveToInput(
    _ attribute: String, at index: Int, in context: inout UpgradeContext
  ) throws {
    guard let values = try AttributeReader(attributes).ints(attribute) else { return }
    attributes[attribute] = nil
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = try context.addIntegers(values)
  }
}
