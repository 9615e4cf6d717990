import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Computes nodes with only constant inputs once, instead of in every run.
package enum ConstantFolding: GraphPass {
  /// The memory left for folding, so that a small file cannot grow without bound: each node that
  /// repeats or concatenates its input may double it.
  package struct Budget {
    package private(set) var byteCount: Int
    /// The limit in bytes for repacked weights: twice the model's own.
    private let ownByteCount: Int
    private var spentByteCount = 0
    /// The bytes of folded values.
    private var folded: [ValueID: Int] = [:]
    private var peakByteCount = 0
    private let memory: MemoryBudget

    /// Weights that a model generates by ConstantOfShape or Expand are folded up to this size.
    /// Larger ones would be generated in every run, and could not be packed. The limit does not
    /// depend on the available memory, since folding affects fusion, and thus rounding.
    private static let generatedByteCount = 1 << 30

    /// Allows twice the size of the graph's constants, enough for repacked weights, and the limit
    /// for generated weights.
    ///
    /// - Parameter memoryLimit: the bytes that generated weights may take without an error; `nil`
    ///   for all free memory
    package init(for graph: Graph, memoryLimit: Int? = nil) {
      let own = graph.constants.values.reduce(0) { sum, tensor in
        sum.addingReportingOverflow(tensor.byteCount).partialValue
      }
      ownByteCount = own > Int.max / 4 ? 0 : 2 * own
      byteCount = max(Budget.generatedByteCount, ownByteCount)
      memory = MemoryBudget(limit: memoryLimit)
    }

    mutating func spend(_ byteCount: Int, on id: ValueID) {
      self.byteCount -= byteCount
      spentByteCount += byteCount
      peakByteCount = max(peakByteCount, spentByteCount - ownByteCount)
      folded[id] = byteCount
    }

    /// Releases the bytes of a value that has no readers any more.
    mutating func release(_ id: ValueID) {
      spentByteCount -= folded.removeValue(forKey: id) ?? 0
    }

    /// The bytes of generated weights, which count like intermediate values.
    package var generated: Lowering.GeneratedMemory {
      var memory = Lowering.GeneratedMemory()
      memory.byteCount = max(0, spentByteCount - ownByteCount)
      memory.peakByteCount = peakByteCount
      return memory
    }

    /// The bytes allowed for folding the next node, and whether memory is what limits them.
    var next: (byteCount: Int, isMemoryLimit: Bool) {
      let (left, overflow) = memory.byteCount.addingReportingOverflow(
        ownByteCount - spentByteCount)
      guard !overflow, left < byteCount else { return (byteCount, false) }
      return (max(0, left), true)
    }

    /// - Throws: `GraftError` if there is not enough memory
    func requireMemory(_ byteCount: Int) throws {
      try memory.require([max(0, spentByteCount + byteCount - ownByteCount)])
    }
  }

  package static func run(_ graph: inout Graph) throws -> Bool {
    var budget = Budget(for: graph)
    return try run(&graph, budget: &budget)
  }

  /// Like ``run(_:)``, with a common budget for several runs.
  ///
  /// - Parameter keepsWeights: quantized weights stay integers, as do results of more than 16 KB
  package static func run(
    _ graph: inout Graph, budget: inout Budget, keepsWeights: Bool = false
  ) throws -> Bool {
    var removed: Set<Int> = []
    let useCounts = graph.useCounts()
    for (index, node) in graph.nodes.enumerated() {
      guard try fold(node, in: &graph, &budget, keepsWeights) else { continue }
      removed.insert(index)
      for case let id? in node.inputs where useCounts[id] == 1 && !node.outputs.contains(id) {
        guard let tensor = graph.constants[id], !isShared(tensor, by: node, in: graph) else {
          continue
        }
        budget.release(id)
      }
    }
    graph.removeNodes(at: removed)
    return !removed.isEmpty
  }

  /// Turns the outputs of one node into constants; false if it has to run.
  private static func fold(
    _ node: Node, in graph: inout Graph, _ budget: inout Budget, _ keepsWeights: Bool
  ) throws -> Bool {
    guard node.bodies.isEmpty, OperatorCatalog.type(of: node) != nil else { return false }
    if keepsWeights, node.is(DequantizeLinear.self) { return false }
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
      guard operation.isDeterministic, let byteCount = try modestByteCount(node, graph, budget),
        !keepsWeights || byteCount <= 1 << 14
      else { return false }
      try budget.requireMemory(byteCount)
      let limit = budget.next
      let outputs: [RuntimeValue?]
      do {
        outputs = try evaluate(
          operation, inputs: inputs, wantedOutputs: node.outputs.map { $0 != nil },
          memoryLimit: limit.byteCount)
      } catch let error as GraftError
        where error.code == .operatingSystem && !limit.isMemoryLimit
      {
        // Too large for the budget; the run will show whether it fits in memory.
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
        if !isView(tensor, of: inputs) { budget.spend(tensor.byteCount, on: id) }
      }
      return true
    }
  }

  /// Whether an output of the node is in the memory of its input.
  private static func isShared(_ tensor: Tensor, by node: Node, in graph: Graph) -> Bool {
    node.outputs.contains { id in
      guard let id, let output = graph.constants[id] else { return false }
      return output.storage === tensor.storage
    }
  }

  private static func isView(_ tensor: Tensor, of inputs: [RuntimeValue?]) -> Bool {
    inputs.contains { input in
      guard case .tensor(let source)? = input else { return false }
      return source.storage === tensor.storage
    }
  }

  /// The bytes of the outputs of a node that is cheap enough to compute at load time, as far as
  /// known; `nil` if it is not.
  private static func modestByteCount(
    _ node: Node, _ graph: Graph, _ budget: Budget
  ) throws -> Int? {
    var byteCount = 0
    for type in try graph.inferredTypes(of: node, contents: { graph.constants[$0] }) {
      // Constants are tensors.
      if let type, type.tensor == nil { return nil }
      guard let tensor = type?.tensor, let shape = tensor.shape?.knownShape else { continue }
      let (sum, overflow) = byteCount.addingReportingOverflow(
        try Tensor.memoryByteCount(tensor.elementType, shape))
      guard !overflow else { return nil }
      byteCount = sum
    }
    return byteCount <= budget.byteCount && !isExpensive(node, byteCount, graph) ? byteCount : nil
  }

  private static func isExpensive(_ node: Node, _ outputByteCount: Int, _ graph: Graph) -> Bool {
    guard OperatorCatalog.type(of: node)?.isLaborious == true else { return false }
    let inputCount = node.inputs.compactMap { graph.constant($0)?.elementCount }.reduce(0, +)
    return Double(inputCount) * Double(outputByteCount) > 0x1p32
  }
}
