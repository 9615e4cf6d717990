import class Foundation.ProcessInfo

/// Computes nodes whose inputs are all constant, once, instead of at every run.
package enum ConstantFolding: GraphPass {
  /// What folding may still take, so that a small file cannot grow without bound: each node that
  /// repeats or concatenates its input may double it.
  package struct Budget: Sendable {
    package private(set) var byteCount: Int

    /// Weights that a model makes by ConstantOfShape or Expand are folded up to this size: what is not would be made
    /// again in every run, and could not be packed.
    private static let generatedByteCount = min(
      1 << 30, Int(clamping: ProcessInfo.processInfo.physicalMemory / 4))

    /// Twice what the graph's own constants take, which repacked weights fit into; or what generated weights may take.
    ///
    /// - Parameter memoryLimit: bytes that generated weights may take at most
    package init(for graph: Graph, memoryLimit: Int = .max) {
      let own = graph.constants.values.reduce(0) { sum, tensor in
        sum.addingReportingOverflow(tensor.byteCount).partialValue
      }
      byteCount = max(
        min(Budget.generatedByteCount, memoryLimit), own > Int.max / 4 ? 0 : 2 * own)
    }

    mutating func spend(_ byteCount: Int) { self.byteCount -= byteCount }
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    var budget = Budget(for: graph)
    return try run(&graph, budget: &budget)
  }

  /// As ``run(_:)``, with a budget for several runs together.
  package static func run(_ graph: inout Graph, budget: inout Budget) throws -> Bool {
    var removed: Set<Int> = []
    for (index, node) in graph.nodes.enumerated() {
      guard try fold(node, in: &graph, &budget) else { continue }
      removed.insert(index)
    }
    graph.removeNodes(at: removed)
    return !removed.isEmpty
  }

  /// Turns the outputs of one node into constants; false if it has to run.
  private static func fold(
    _ node: Node, in graph: inout Graph, _ budget: inout Budget
  ) throws -> Bool {
    guard node.bodies.isEmpty, OperatorCatalog.type(of: node) != nil else { return false }
    var inputs: [RuntimeValue?] = []
    for input in node.inputs {
      guard let input else {
        inputs.append(nil)
        continue
      }
      guard let tensor = graph.constants[input] else { return false }
      inputs.append(.tensor(tensor))
    }
    return try withPlace(graph.label(node)) {
      let operation = try OperatorCatalog.make(node)
      guard operation.isDeterministic, try isModest(node, graph, budget) else { return false }
      let outputs: [RuntimeValue?]
      do {
        outputs = try evaluate(
          operation, inputs: inputs, wantedOutputs: node.outputs.map { $0 != nil },
          memoryLimit: budget.byteCount)
      } catch let error as GraftError where error.code == .operatingSystem {
        // Too large for the budget; whether it is for the machine the run will tell.
        return false
      }
      for (id, value) in zip(node.outputs, outputs) {
        guard id != nil else { continue }
        guard case .tensor = value else { return false }
      }
      for (id, value) in zip(node.outputs, outputs) {
        guard let id, let tensor = try value?.tensor else { continue }
        graph.constants[id] = tensor
        graph[id].type = .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
        if !isView(tensor, of: inputs) { budget.spend(tensor.byteCount) }
      }
      return true
    }
  }

  private static func isView(_ tensor: Tensor, of inputs: [RuntimeValue?]) -> Bool {
    inputs.contains { input in
      guard case .tensor(let source)? = input else { return false }
      return source.storage === tensor.storage
    }
  }

  /// Whether a node is cheap enough to be computed while a model is loaded.
  private static func isModest(
    _ node: Node, _ graph: Graph, _ budget: Budget
  ) throws -> Bool {
    var byteCount = 0
    for type in try graph.inferredTypes(of: node, contents: { graph.constants[$0] }) {
      guard let tensor = type?.tensor, let shape = tensor.shape?.knownShape else { continue }
      let (sum, overflow) = byteCount.addingReportingOverflow(
        try Tensor.memoryByteCount(tensor.elementType, shape))
      guard !overflow else { return false }
      byteCount = sum
    }
    return byteCount <= budget.byteCount && !isLaborious(node, byteCount, graph)
  }

  /// Operators that look at many elements, or a whole window, for each of their outputs.
  private static let windowed: Set<String> = [
    "AveragePool", "Conv", "ConvTranspose", "LpPool", "LRN", "MaxPool", "NonMaxSuppression",
  ]

  private static func isLaborious(_ node: Node, _ outputByteCount: Int, _ graph: Graph) -> Bool {
    guard windowed.contains(node.operatorType) else { return false }
    let inputCount = node.inputs.compactMap { graph.constant($0)?.elementCount }.reduce(0, +)
    return Double(inputCount) * Double(outputByteCount) > 0x1p32
  }
}
