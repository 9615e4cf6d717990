import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Keeps activations in the layout of convolutions and pools, `[N, C, …]`: Transposes move down
/// through elementwise operators until they meet their inverse and both vanish.
///
/// Networks exported from channels-last frameworks have a pair of Transposes around each
/// convolution.
package enum LayoutSelection: GraphPass {
  /// A Transpose with one reader.
  private struct Move {
    let source: ValueID
    let permutation: [Int]
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    let counts = graph.useCounts()
    var moves: [ValueID: Move] = [:]
    var nodes: [Node] = []
    var didChange = false
    for node in graph.nodes {
      var node = node
      if let (output, own) = try transpose(node) {
        var move = own
        // Merges consecutive ones, so that a chain takes one round.
        if let first = moves[move.source], first.permutation.count == move.permutation.count {
          move = Move(
            source: first.source, permutation: move.permutation.map { first.permutation[$0] })
          node.inputs[0] = move.source
          node.attributes["perm"] = .ints(move.permutation)
          didChange = true
        }
        if counts[output] == 1 { moves[output] = move }
      }
      guard let permutation = permutation(before: node, graph, moves), let output = node.outputs[0]
      else {
        nodes.append(node)
        continue
      }
      let (moved, transpose) = try sink(permutation, after: node, &graph, moves)
      nodes += [moved, transpose]
      didChange = true
      if counts[output] == 1, let source = moved.outputs[0] {
        moves[output] = Move(source: source, permutation: permutation)
      }
    }
    graph.nodes = nodes
    return didChange
  }

  private static func transpose(_ node: Node) throws -> (ValueID, Move)? {
    guard let permutation = try node.operation(as: Transpose.self)?.permutation,
      let source = node.inputs.first ?? nil, let output = node.outputs.first ?? nil
    else { return nil }
    return (output, Move(source: source, permutation: permutation))
  }

  /// The number of a node's inputs that are operands rather than settings.
  private static func operandCount(_ node: Node) -> Int {
    guard node.outputs.count == 1, let type = OperatorCatalog.type(of: node) else { return 0 }
    return min(type.operandCount, node.inputs.count)
  }

  /// The common permutation of the Transposes before all non-constant operands, if there is one.
  private static func permutation(
    before node: Node, _ graph: Graph, _ moves: [ValueID: Move]
  ) -> [Int]? {
    var found: [Int]?
    let operands = node.inputs.prefix(operandCount(node))
    for operand in operands where graph.constant(operand) == nil {
      guard let operand, let move = moves[operand], found == nil || found == move.permutation
      else { return nil }
      found = move.permutation
    }
    guard let found else { return nil }
    let constants = operands.compactMap { graph.constant($0) }
    return constants.allSatisfy { $0.rank <= found.count } ? found : nil
  }

  /// The node without the Transposes before it, and one Transpose after it.
  private static func sink(
    _ permutation: [Int], after node: Node, _ graph: inout Graph, _ moves: [ValueID: Move]
  ) throws -> (Node, Node) {
    var moved = node
    for position in 0..<operandCount(node) {
      guard let input = node.inputs[position] else { continue }
      if let move = moves[input] {
        moved.inputs[position] = move.source
      } else if let constant = graph.constants[input] {
        moved.inputs[position] = graph.addConstant(
          name: "\(graph[input].name)_moved", try self.moved(constant, against: permutation))
      }
    }
    let output = node.outputs[0]
    let before = graph.addValue(type: output.flatMap { type(before: permutation, graph[$0].type) })
    moved.outputs[0] = before
    let transpose = Node(
      operatorType: "Transpose", inputs: [before], outputs: [output],
      attributes: ["perm": .ints(permutation)])
    return (moved, transpose)
  }

  /// The type of the value before a Transpose that gives `type`.
  private static func type(before permutation: [Int], _ type: ValueType?) -> ValueType? {
    guard let tensor = type?.tensor else { return nil }
    guard let shape = tensor.shape, shape.count == permutation.count else {
      return .tensor(TensorType(tensor.elementType, nil))
    }
    var source = shape
    for (to, from) in permutation.enumerated() { source[from] = shape[to] }
    return .tensor(TensorType(tensor.elementType, source))
  }

  /// The constant that broadcasts before a Transpose like `constant` after it.
  private static func moved(_ constant: Tensor, against permutation: [Int]) throws -> Tensor {
    guard constant.elementCount > 1 else { return constant }
    let padding = [Int](repeating: 1, count: permutation.count - constant.rank)
    let full = try constant.reshaped(padding + constant.shape)
    var inverse = permutation
    for (to, from) in permutation.enumerated() { inverse[from] = to }
    let transpose = try OperatorCatalog.make(
      Node(
        operatorType: "Transpose", inputs: [ValueID(0)], outputs: [ValueID(1)],
        attributes: ["perm": .ints(inverse)]))
    let results = try evaluate(transpose, inputs: [.tensor(full)], wantedOutputs: [true])
    guard let result = try results[0]?.tensor else {
      throw GraftError(.software, "a Transpose without a result")
    }
    return result
  }
}
