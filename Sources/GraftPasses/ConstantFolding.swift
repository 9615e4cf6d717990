/// Computes nodes whose inputs are all constant, once, instead of at every run.
package enum ConstantFolding: GraphPass {
  /// Bytes that one folded node may make. A model cannot make the graph grow without bound.
  static let byteBudget = 512 << 20

  package static func run(_ graph: inout Graph) throws -> Bool {
    var removed: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard try fold(node, in: &graph) else { continue }
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    return !removed.isEmpty
  }

  /// Turns the outputs of one node into constants; false if it has to run.
  private static func fold(_ node: Node, in graph: inout Graph) throws -> Bool {
    guard node.bodies.isEmpty, OperatorCatalog.type(of: node) != nil else { return false }
    var inputs: [RuntimeValue?] = []
    var inputByteCount = 0
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        continue
      }
      guard let tensor = graph.constants[input] else { return false }
      inputByteCount += tensor.byteCount
      inputs.append(.tensor(tensor))
    }
    return try withPlace(graph.label(node)) {
      let operation = try OperatorCatalog.make(node)
      guard operation.isDeterministic else { return false }
      guard try outputByteCount(node, operation, graph) <= max(byteBudget, inputByteCount * 2)
      else { return false }
      let outputs = try evaluate(
        operation, inputs: inputs, wantedOutputs: node.outputs.map { $0 != nil })
      for (id, value) in zip(node.outputs, outputs) {
        guard id != nil else { continue }
        guard case .tensor = value else { return false }
      }
      for (id, value) in zip(node.outputs, outputs) {
        guard let id, let tensor = try value?.tensor else { continue }
        graph.constants[id] = tensor
        graph[id].type = .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
      }
      return true
    }
  }

  private static func outputByteCount(
    _ node: Node, _ operation: any Operator, _ graph: Graph
  ) throws -> Int {
    var total = 0
    for type in try graph.inferredTypes(of: node, contents: { graph.constants[$0] }) {
      guard let tensor = type?.tensor, let shape = tensor.shape?.knownShape else { continue }
      total += try Tensor.byteCount(tensor.elementType, shape)
    }
    return total
  }
}
