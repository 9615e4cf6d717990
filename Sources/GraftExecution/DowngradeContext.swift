import GraftFiles
import GraftGraph
import GraftTensor

/// The environment of an operator's `downgrade`: the graph, the opset to write, and extra nodes.
///
/// The types of the node's inputs and outputs are inferred as far as possible.
package struct DowngradeContext {
  /// For adding values and constants.
  package var graph: Graph
  /// The version of the operator's domain to write.
  package let opset: Int
  /// The opset of the file that the graph came from; 0 if it came from none, and for operators of
  /// other domains than ai.onnx.
  private let importedOpset: Int
  /// Whether one node may become several.
  private let allowsExtraNodes: Bool
  /// Nodes to run before the downgraded one, in order, in their newest form.
  package private(set) var nodesBefore: [Node] = []
  /// Nodes to run after it, in order, in their newest form.
  package private(set) var nodesAfter: [Node] = []

  package init(graph: Graph, opset: Int, importedOpset: Int, allowsExtraNodes: Bool) {
    self.graph = graph
    self.opset = opset
    self.importedOpset = importedOpset
    self.allowsExtraNodes = allowsExtraNodes
  }

  /// Whether the graph came from a file with an opset below `version`. Uses that `version`
  /// introduced, and that only a run would reveal, cannot occur then.
  package func isFromFile(before version: Int) -> Bool {
    importedOpset > 0 && importedOpset < version
  }

  /// The inferred type of a value.
  package func type(_ id: ValueID?) -> TensorType? { id.flatMap { graph[$0].type?.tensor } }

  /// - Throws: `GraftError` if the rank is unknown
  package func rank(_ id: ValueID?, of what: String) throws -> Int {
    guard let shape = type(id)?.shape else {
      throw GraftError.unsupported("the rank of \(what) is unknown")
    }
    return shape.count
  }

  /// The contents of a value if it is a constant that callers cannot replace.
  package func constant(_ id: ValueID?) -> Tensor? {
    guard let id, !graph.defaultedInputs.contains(id) else { return nil }
    return graph.constants[id]
  }

  package mutating func addConstant(_ tensor: Tensor) -> ValueID { graph.addConstant(tensor) }

  /// A 1-D int64 constant.
  package mutating func addIntegers(_ integers: [Int]) throws -> ValueID {
    graph.addConstant(try Tensor(integers.map(Int64.init), shape: [integers.count]))
  }

  /// Adds a node with one new output before the downgraded one.
  ///
  /// - Throws: `GraftError` if extra nodes are not allowed
  package mutating func addBefore(
    _ operatorType: String, _ inputs: [ValueID?], attributes: [ByteString: Attribute] = [:]
  ) throws -> ValueID {
    try requireExtraNodes()
    let output = graph.addValue()
    nodesBefore.append(
      Node(
        operatorType: operatorType, inputs: inputs, outputs: [output], attributes: attributes))
    return output
  }

  /// Adds a node after the downgraded one, which computes `output` from a new value.
  ///
  /// - Parameter type: the type of the new value
  /// - Returns: the new value, which the downgraded node must compute
  /// - Throws: `GraftError` if extra nodes are not allowed
  package mutating func addAfter(
    _ operatorType: String, _ moreInputs: [ValueID?] = [], output: ValueID, type: ValueType?,
    attributes: [ByteString: Attribute] = [:]
  ) throws -> ValueID {
    try requireExtraNodes()
    let input = graph.addValue(type: type)
    nodesAfter.append(
      Node(
        operatorType: operatorType, inputs: [input] + moreInputs, outputs: [output],
        attributes: attributes))
    return input
  }

  private func requireExtraNodes() throws {
    guard allowsExtraNodes else { throw GraftError.unsupported("it would become several nodes") }
  }
}

extension Node {
  /// Moves the integers of a constant input to an attribute, the inverse of `moveToInput`.
  ///
  /// - Throws: `GraftError` if the input is not constant
  package mutating func moveToAttribute(
    _ attribute: String, from index: Int, in context: DowngradeContext
  ) throws {
    if let integers = try constantIntegers(attribute, at: index, in: context) {
      attributes[attribute] = .ints(integers)
    }
    removeInputs(from: index)
  }

  /// The integers of a constant input; `nil` if it is omitted.
  ///
  /// - Parameter what: the input's name, for messages
  /// - Throws: `GraftError` if the input is not constant
  package func constantIntegers(
    _ what: String, at index: Int, in context: DowngradeContext
  ) throws -> [Int]? {
    guard index < inputs.count, let input = inputs[index] else { return nil }
    guard let tensor = context.constant(input) else {
      throw GraftError.unsupported("'\(what)' is not a constant")
    }
    return try tensor.integers()
  }

  /// Removes the inputs from `index` on.
  package mutating func removeInputs(from index: Int) { inputs = Array(inputs.prefix(index)) }

  /// Makes the axis of an attribute non-negative, as required before opset 11.
  ///
  /// - Parameter newest: the attribute's default in the newest form
  /// - Throws: `GraftError` if the rank is needed but unknown
  package mutating func countAxisFromFront(
    _ name: String = "axis", in context: DowngradeContext
  ) throws {
    guard context.opset < 11, let axis = try AttributeReader(attributes).int(name), axis < 0 else {
      return
    }
    attributes[name] = .int(axis + (try context.rank(inputs.first ?? nil, of: "input 0")))
  }

  /// Like ``countAxisFromFront(_:in:)``, for several axes.
  ///
  /// - Parameter extra: axes that the node adds to those of input 0
  package mutating func countAxesFromFront(
    _ name: String = "axes", plus extra: Int = 0, in context: DowngradeContext
  ) throws {
    guard context.opset < 11, let axes = try AttributeReader(attributes).ints(name),
      axes.contains(where: { $0 < 0 })
    else { return }
    let rank = try context.rank(inputs.first ?? nil, of: "input 0") + extra
    attributes[name] = .ints(axes.map { $0 < 0 ? $0 + rank : $0 })
  }
}
