import GraftFiles
import GraftGraph
import GraftTensor

/// What an operator's `downgrade` sees: the graph, the opset to write, and where its extra nodes go.
///
/// The types of a node's inputs and outputs are known as far as they ever are.
package struct DowngradeContext {
  /// For adding values and constants.
  package var graph: Graph
  /// The opset to write.
  package let opset: Int
  /// The opset of the file that the graph came from; 0 if it came from none.
  private let importedOpset: Int
  /// Whether a node may become several.
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

  /// Whether the graph came from a file of an opset before `version`. What `version` began to allow,
  /// but only a run would show, does not occur then.
  package func isFromFile(before version: Int) -> Bool {
    importedOpset > 0 && importedOpset < version
  }

  /// The type of a value as far as inference got.
  package func type(_ id: ValueID?) -> TensorType? { id.flatMap { graph[$0].type?.tensor } }

  /// - Throws: `GraftError` if the rank is not known.
  package func rank(_ id: ValueID?, of what: String) throws -> Int {
    guard let shape = type(id)?.shape else {
      throw GraftError.unsupported("the rank of \(what) is open")
    }
    return shape.count
  }

  /// What a value contains in every run: that of a constant that callers cannot replace.
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
  /// - Throws: `GraftError` if the node must stay one.
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

  /// Puts a node behind the downgraded one, which computes `output` from a new value.
  ///
  /// - Parameter type: the type of the new value
  /// - Returns: the new value, for the downgraded node to compute
  /// - Throws: `GraftError` if the node must stay one.
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
    guard allowsExtraNodes else { throw GraftError.unsupported("it would take several nodes") }
  }
}

extension Node {
  /// Moves the integers of a constant input to an attribute: the way back of `moveToInput`.
  ///
  /// - Throws: `GraftError` if the input is not constant.
  package mutating func moveToAttribute(
    _ attribute: String, from index: Int, in context: DowngradeContext
  ) throws {
    if let integers = try constantIntegers(attribute, at: index, in: context) {
      attributes[attribute] = .ints(integers)
    }
    removeInputs(from: index)
  }

  /// The integers of a constant input; `nil` if it is left out.
  ///
  /// - Parameter what: what the input is called, for messages
  /// - Throws: `GraftError` if the input is not constant.
  package func constantIntegers(
    _ what: String, at index: Int, in context: DowngradeContext
  ) throws -> [Int]? {
    guard index < inputs.count, let input = inputs[index] else { return nil }
    guard let tensor = context.constant(input) else {
      throw GraftError.unsupported("'\(what)' is no constant")
    }
    return try tensor.integers()
  }

  /// Leaves the inputs from `index` on out.
  package mutating func removeInputs(from index: Int) { inputs = Array(inputs.prefix(index)) }

  /// Counts the axis of an attribute from the front, as all opsets before 11 do.
  ///
  /// - Parameter newest: the axis that leaving the attribute out stands for in the newest form
  /// - Throws: `GraftError` if it would have to know the rank and does not.
  package mutating func countAxisFromFront(
    _ name: String = "axis", in context: DowngradeContext
  ) throws {
    guard context.opset < 11, let axis = try AttributeReader(attributes).int(name), axis < 0 else {
      return
    }
    attributes[name] = .int(axis + (try context.rank(inputs.first ?? nil, of: "input 0")))
  }

  /// As ``countAxisFromFront(_:in:)``, for several axes.
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
