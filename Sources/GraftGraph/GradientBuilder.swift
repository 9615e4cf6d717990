import GraftFiles
import GraftTensor

/// Collects the nodes of an operator's gradient.
package struct GradientBuilder {
  package private(set) var graph: Graph
  /// The node to differentiate.
  package let node: Node
  /// The gradients of the loss with respect to the node's outputs; `nil` where there is none.
  package let outputGradients: [ValueID?]
  /// The gradients of the node's inputs, as set by the operator.
  package private(set) var inputGradients: [ValueID?]
  private let neededInputs: [Bool]

  package init(graph: Graph, node: Node, outputGradients: [ValueID?], neededInputs: [Bool]) {
    self.graph = graph
    self.node = node
    self.outputGradients = outputGradients
    self.neededInputs = neededInputs
    self.inputGradients = Array(repeating: nil, count: node.inputs.count)
  }

  /// Returns the graph with the appended nodes.
  package mutating func takeGraph() -> Graph {
    var taken = Graph()
    swap(&taken, &graph)
    return taken
  }

  /// Whether an input depends on anything trainable; the others need no gradient.
  package func needs(_ input: Int) -> Bool { input < neededInputs.count && neededInputs[input] }

  /// - Throws: `GraftError` if the input is missing
  package func input(_ index: Int) throws -> ValueID {
    guard index < node.inputs.count, let id = node.inputs[index] else {
      throw GraftError.badData("input \(index) is missing")
    }
    return id
  }

  package func output(_ index: Int) throws -> ValueID {
    guard index < node.outputs.count, let id = node.outputs[index] else {
      throw GraftError.badData("output \(index) is missing")
    }
    return id
  }

  /// The gradient of an output; gradients are computed only for nodes with one.
  package func outputGradient(_ index: Int = 0) throws -> ValueID {
    guard index < outputGradients.count, let id = outputGradients[index] else {
      throw GraftError(.software, "no gradient flows into output \(index)")
    }
    return id
  }

  package func type(of id: ValueID) -> TensorType? { graph[id].type?.tensor }

  /// Appends a node with one new output.
  package mutating func add(
    _ operatorType: String, domain: String = "", _ inputs: [ValueID?],
    attributes: [ByteString: Attribute] = [:]
  ) -> ValueID {
    graph.addNode(operatorType, domain: domain, inputs, attributes: attributes)
  }

  /// Appends a node with several new outputs.
  package mutating func add(
    _ operatorType: String, domain: String = "", _ inputs: [ValueID?],
    attributes: [ByteString: Attribute] = [:], outputCount: Int
  ) -> [ValueID] {
    graph.addNode(
      operatorType, domain: domain, inputs, attributes: attributes, outputCount: outputCount)
  }

  package mutating func addConstant(_ tensor: Tensor) -> ValueID { graph.addConstant(tensor) }

  package mutating func setInputGradient(_ index: Int, _ gradient: ValueID) {
    inputGradients[index] = gradient
  }

  /// Sets the gradient of a broadcast input: sums over the axes along which it was repeated.
  package mutating func setBroadcastInputGradient(_ index: Int, _ gradient: ValueID) throws {
    let input = try input(index)
    inputGradients[index] = add("SumToShape", domain: "graft", [gradient, input])
  }
}
