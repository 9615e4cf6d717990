import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftTensor

/// Makes plans for the nodes of a graph, for given shapes.
struct Planner {
  /// A node that runs, before places are assigned.
  struct Item {
    let node: Node
    let operation: any Operator
    let outputTypes: [ValueType?]
    let bodies: NodeBodies?
  }

  let graph: Graph
  /// The decoded operator of each node.
  let operations: [any Operator]
  /// The bodies of nodes, by index of the node.
  let bodies: [Int: NodeBodies]
  let packedConstants: PackedConstants
  let precision: Precision
  let tuning: TuningRecord
  let threadCount: Int
  let memory: MemoryBudget

  /// The limit in bytes for folding one node at plan time.
  static let foldingLimit = 1 << 20
  /// The limit in bytes for all values folded at plan time.
  static let totalFoldingLimit = 64 << 20

  /// Plans as many of the nodes as the known shapes allow; the others become the continuation.
  func plan(_ request: PlanRequest) throws -> Plan {
    let nodes = request.nodes ?? Array(graph.nodes.indices)
    var selection = Selection(
      graph: graph, operations: operations, bodies: bodies, inputs: request.inputs)
    for index in nodes {
      try withPlace(graph.label(graph.nodes[index])) { try selection.add(index) }
    }
    let needsContents = request.inputs.contains { input in
      input.contents == nil && selection.neededContents.contains(input.id)
    }
    guard selection.deferred.count < nodes.count || nodes.isEmpty || needsContents else {
      let label = graph.label(graph.nodes[nodes[0]])
      throw GraftError(.software, "cannot be planned", places: [label])
    }
    var layout = PlanLayout(planner: self, selection: selection, request: request)
    return try layout.plan()
  }
}

/// Decides which nodes run in a plan: folds known values, defers nodes that depend on results.
struct Selection {
  let graph: Graph
  let operations: [any Operator]
  let bodies: [Int: NodeBodies]
  private(set) var types: [ValueID: ValueType] = [:]
  private(set) var known: [ValueID: Tensor] = [:]
  private(set) var items: [Planner.Item] = []
  private(set) var deferred: [Int] = []
  /// Values whose contents determine shapes of deferred nodes.
  private(set) var neededContents: Set<ValueID> = []
  private var unavailable: Set<ValueID> = []
  private(set) var foldedByteCount = 0

  init(
    graph: Graph, operations: [any Operator], bodies: [Int: NodeBodies],
    inputs: [PlanRequest.Input], unknown: [ValueID] = []
  ) {
    self.graph = graph
    self.operations = operations
    self.bodies = bodies
    for (id, tensor) in graph.constants {
      known[id] = tensor
      types[id] = .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
    }
    for (id, tensor) in graph.parameters {
      types[id] = .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
    }
    unavailable = Set(unknown)
    for input in inputs {
      types[input.id] = input.type
      if let tensor = input.type.tensor, tensor.shape?.knownShape == nil {
        unavailable.insert(input.id)
      }
      guard let contents = input.contents else { continue }
      known[input.id] = contents
      // Another node of a chain may still need them.
      neededContents.insert(input.id)
    }
  }

  mutating func add(_ index: Int) throws {
    let node = graph.nodes[index]
    let bodies = bodies[index]
    var reads = node.inputs.compactMap { $0 }
    if bodies == nil {
      for body in node.bodies { reads += body.captures.values }
    }
    if reads.contains(where: { unavailable.contains($0) }) {
      postpone(index)
      return
    }
    let operation = operations[index]
    let inputTypes = node.inputs.map { $0.flatMap { types[$0] } }
    let inputContents = node.inputs.map { $0.flatMap { known[$0] } }
    // Operators do not know of captured values.
    let ownCount = bodies?.ownInputCount ?? node.inputs.count
    var inference = InferenceContext(
      inputTypes: Array(inputTypes[..<ownCount]),
      inputContents: Array(inputContents[..<ownCount]),
      wantedOutputs: node.outputs.map { $0 != nil },
      bodies: bodies.map { PlannedBodyInference($0, inputTypes, inputContents) }
        ?? GraphBodyInference(
          of: node, types: { types[$0] }, contents: { known[$0] }))
    do {
      try operation.inferTypes(&inference)
    } catch InferenceStop.needsContents(let input) {
      if let id = node.inputs[input] { neededContents.insert(id) }
      postpone(index)
      return
    } catch is InferenceStop {
      guard node.bodies.isEmpty else {
        postpone(index)
        return
      }
      throw GraftError(.software, "the rank of an input is unknown at plan time")
    }
    if fold(node, operation, inference) { return }
    items.append(
      Planner.Item(
        node: node, operation: operation, outputTypes: inference.outputTypes, bodies: bodies))
    for (id, type) in zip(node.outputs, inference.outputTypes) {
      guard let id else { continue }
      if let type, type.isStatic || type.isPassedOn {
        types[id] = type
      } else {
        unavailable.insert(id)
      }
    }
  }

  private mutating func postpone(_ index: Int) {
    deferred.append(index)
    for case let output? in graph.nodes[index].outputs { unavailable.insert(output) }
  }

  /// Computes contents that follow from shapes or known inputs; false if the node has to run.
  private mutating func fold(
    _ node: Node, _ operation: any Operator, _ inference: InferenceContext
  ) -> Bool {
    var contents = inference.outputContents
    let isComplete = zip(node.outputs, contents).allSatisfy { $0 == nil || $1 != nil }
    if !isComplete {
      let inputs = node.inputs.map { $0.flatMap { known[$0] } }
      guard operation.isDeterministic, node.bodies.isEmpty,
        zip(node.inputs, inputs).allSatisfy({ $0 == nil || $1 != nil }),
        inference.outputTypes.allSatisfy({ $0?.isStatic ?? true }),
        foldedByteCount < Planner.totalFoldingLimit,
        let results = try? evaluate(
          operation, inputs: inputs.map { $0.map { .tensor($0) } },
          wantedOutputs: node.outputs.map { $0 != nil }, memoryLimit: Planner.foldingLimit)
      else { return false }
      contents = results.map { try? $0?.tensor }
      guard zip(node.outputs, contents).allSatisfy({ $0 == nil || $1 != nil }) else { return false }
    }
    for (id, tensor) in zip(node.outputs, contents) {
      guard let id, let tensor else { continue }
      foldedByteCount += tensor.byteCount
      known[id] = tensor
      types[id] = .tensor(TensorType(tensor.elementType, [Dimension](tensor.shape)))
    }
    return true
  }
}

extension ValueType {
  /// Whether it is a tensor with a known size in bytes, which can be in an arena.
  var isStatic: Bool {
    guard let tensor, tensor.elementType != .string else { return false }
    return tensor.shape?.knownShape != nil
  }

  /// Whether steps pass such values on in one plan, outside of the arena: sequences, optionals and
  /// others, whatever they hold, and strings of a known shape.
  var isPassedOn: Bool {
    guard let tensor else { return true }
    return tensor.elementType == .string && tensor.shape?.knownShape != nil
  }

  /// The bytes of a static tensor; `nil` for anything else.
  var byteCount: Int? {
    guard let tensor, let shape = tensor.shape?.knownShape else { return nil }
    return try? Tensor.byteCount(tensor.elementType, shape)
  }

  /// The expected bytes of a tensor with a known shape.
  var memoryByteCount: Int? {
    guard let tensor, let shape = tensor.shape?.knownShape else { return nil }
    return try? Tensor.memoryByteCount(tensor.elementType, shape)
  }
}
