import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor

/// Runs an executable. Owns the memory for intermediate values; not thread-safe.
///
/// The first run with new shapes makes a plan, or shares that of another session; a few plans are
/// cached. A run with known shapes and outputs bound by the caller allocates nothing.
package final class Session {
  package let executable: Executable
  package var profile: Profile?
  private let environment: RunEnvironment
  /// Whether this session runs the body of a node.
  private let isBody: Bool
  /// The bytes that the enclosing sessions use, for that of a body.
  private var enclosingByteCount = 0
  private var plans = PlanCache()
  /// The inputs of the current run, stored here to reuse the array.
  private var values: [RuntimeValue] = []
  private var boundOutputs: [Tensor?] = []
  /// The inputs in whose memory outputs of the current run are, by output.
  private var sharedInputs: [Int: Int] = [:]

  package init(_ executable: Executable, pool: ThreadPool = .shared) {
    self.executable = executable
    environment = RunEnvironment(
      pool: pool, trips: TripCounter(limit: executable.options.tripLimit))
    isBody = false
  }

  /// A session for the body of a node.
  init(ofBody executable: Executable, _ environment: RunEnvironment) {
    self.executable = executable
    self.environment = environment
    isBody = true
  }

  /// Runs the body of a node.
  ///
  /// - Parameter byteCount: the bytes that the enclosing sessions use
  func runBody(_ inputs: [RuntimeValue], besides byteCount: Int) throws -> [RuntimeValue] {
    enclosingByteCount = byteCount
    return try run(inputs)
  }

  /// The bytes of plans, with those of bodies.
  var byteCount: Int { plans.byteCount + plans.bodiesByteCount }

  private var pool: ThreadPool { environment.pool }

  /// Runs the graph on inputs in the model's order.
  ///
  /// - Throws: `GraftError` if inputs do not match the model, or running fails
  package func run(_ inputs: [RuntimeValue]) throws -> [RuntimeValue] {
    try check(inputs)
    if !isBody { environment.trips.reset() }
    return try runChain(
      Self.aligned(inputs), outputs: Array(repeating: nil, count: graph.outputs.count))
  }

  /// Runs the graph on tensors.
  package func run(_ inputs: [Tensor]) throws -> [Tensor] {
    try run(inputs.map { RuntimeValue.tensor($0) }).map { try $0.tensor }
  }

  /// Runs the graph and writes to the caller's memory, whose shapes must be those of the outputs.
  ///
  /// The memory of an output may start with that of an input, which the caller gives up. Where a
  /// step updates or extends this input and nothing reads it later, only what is new is written:
  /// so TensorScatter updates a cache, and Concat extends one along its outermost axis.
  package func run(_ inputs: [Tensor], into outputs: [Tensor]) throws {
    values.removeAll(keepingCapacity: true)
    for input in inputs {
      values.append(.tensor(input.isAligned ? input : try input.copied()))
    }
    boundOutputs.removeAll(keepingCapacity: true)
    for output in outputs { boundOutputs.append(output) }
    try check(values)
    try findSharedInputs()
    if !isBody { environment.trips.reset() }
    let bound = try boundPlan(
      depth: 0, nodes: nil, values, ids: graph.inputs, contents: [], results: [],
      outputsAreBound: true, shared: sharedInputs)
    guard bound.plan.continuation == nil, bound.plan.outputs.count == outputs.count else {
      throw GraftError.unsupported("outputs with data-dependent shapes cannot be bound")
    }
    for (position, operand) in bound.plan.outputs {
      let output = outputs[position]
      guard output.shape == operand.shape, output.elementType == operand.elementType else {
        throw GraftError.usage(
          "output '\(executable.outputNames[position])' is \(operand.elementType)\(operand.shape); "
            + "the memory for it is \(output.elementType)\(output.shape)")
      }
    }
    try bound.run(
      values, outputs: boundOutputs, pool: pool, options: executable.options,
      memory: memory(for: bound.plan, values, results: []), profile: profile)
  }

  /// Finds the inputs in whose memory the outputs are.
  ///
  /// - Throws: `GraftError` if the memory of an output overlaps in another way
  private func findSharedInputs() throws {
    if !sharedInputs.isEmpty { sharedInputs.removeAll(keepingCapacity: true) }
    for position in boundOutputs.indices {
      guard let output = boundOutputs[position], output.elementType != .string else { continue }
      let end = output.baseAddress + output.byteCount
      for index in values.indices {
        guard case .tensor(let input) = values[index], input.elementType != .string,
          input.byteCount > 0,
          input.baseAddress < end, output.baseAddress < input.baseAddress + input.byteCount
        else { continue }
        guard input.baseAddress == output.baseAddress, input.byteCount <= output.byteCount,
          sharedInputs[position] == nil, !sharedInputs.values.contains(index)
        else {
          throw GraftError.usage(
            "the memory of output '\(executable.outputNames[position])' overlaps that of input "
              + "'\(executable.inputNames[index])'; expected one that starts with one input")
        }
        sharedInputs[position] = index
      }
    }
  }

  /// The bytes of intermediate values in the largest cached plan.
  package var arenaByteCount: Int { plans.largestArenaByteCount }

  private var graph: Graph { executable.graph }

  private func runChain(
    _ inputs: [RuntimeValue], outputs bound: [Tensor?]
  ) throws -> [RuntimeValue] {
    var results = [RuntimeValue?](repeating: nil, count: graph.outputs.count)
    var ids = graph.inputs
    var values = inputs
    var nodes: [Int]?
    var contents: Set<ValueID> = []
    for depth in 0... {
      let boundPlan = try boundPlan(
        depth: depth, nodes: nodes, values, ids: ids, contents: contents, results: results)
      let plan = boundPlan.plan
      var memory = [Tensor?](repeating: nil, count: graph.outputs.count)
      for (position, operand) in plan.outputs {
        let tensor = try Tensor(zeros: operand.elementType, shape: operand.shape)
        memory[position] = tensor
        results[position] = .tensor(tensor)
      }
      try boundPlan.run(
        values, outputs: memory, pool: pool, options: executable.options,
        memory: self.memory(for: plan, values, results: results), profile: profile)
      // Later plans need no other values.
      var table: [ValueID: RuntimeValue] = [:]
      if plan.continuation != nil {
        for (id, operand) in plan.operands {
          table[id] = try boundPlan.value(operand, values, memory)
        }
      }
      for (id, value) in boundPlan.takeHeap() {
        table[id] = value
        for (position, output) in graph.outputs.enumerated() where output == id {
          results[position] = value
        }
      }
      guard let continuation = plan.continuation else { break }
      nodes = continuation.nodes
      ids = continuation.values
      contents = continuation.contents
      values = try ids.map { id in
        guard let value = table[id] else {
          throw GraftError(.software, "value '\(graph[id].name)' is missing between plans")
        }
        return value
      }
    }
    return try results.enumerated().map { position, value in
      if let value { return value }
      // An output that is an input or a constant, and cannot be in an arena.
      if let index = graph.inputs.firstIndex(of: graph.outputs[position]) { return inputs[index] }
      if let constant = graph.constants[graph.outputs[position]] { return .tensor(constant) }
      throw GraftError(
        .software, "output '\(executable.outputNames[position])' was not computed")
    }
  }

  /// The plan for these values, new or cached.
  private func boundPlan(
    depth: Int, nodes: [Int]?, _ values: [RuntimeValue], ids: [ValueID], contents: Set<ValueID>,
    results: [RuntimeValue?], outputsAreBound: Bool = false, shared: [Int: Int] = [:]
  ) throws -> BoundPlan {
    if let plan = plans.plan(depth: depth, values, nodes: nodes, shared: shared) { return plan }
    plans.makeRoom(depth: depth)
    var memory = plans.largestArena(depth: depth)
    func makePlan() throws -> Plan {
      let budget = self.memory(values, results: results)
      let plan = try executable.plan(
        nodes: nodes, ids: ids, values: values, contents: contents, shared: shared,
        memory: budget)
      try plan.requireMemory(
        budget, reusableByteCount: memory?.byteCount ?? 0,
        outputsAreThere: outputsAreBound && executable.options.memoryLimit == nil)
      return plan
    }
    var plan: Plan
    do {
      plan = try makePlan()
    } catch let error as GraftError
      where error.code == .operatingSystem && !plans.isEmpty
    {
      // Cached plans only save time.
      memory = nil
      plans.removeAll()
      plan = try makePlan()
    }
    let bound = try BoundPlan(
      plan, parameters: executable.parameters, memory: memory, environment: environment)
    plans.insert(bound, depth: depth)
    return bound
  }

  /// The memory left for a plan, besides cached plans and the values of a run.
  private func memory(_ values: [RuntimeValue], results: [RuntimeValue?]) -> MemoryBudget {
    var seen: Set<ObjectIdentifier> = []
    // The enclosing sessions count the constants of a body, too.
    var inUse = isBody ? enclosingByteCount : executable.generatedMemory.byteCount
    inUse += byteCount
    func add(_ value: RuntimeValue) {
      switch value {
      case .tensor(let tensor):
        guard tensor.elementType != .string, tensor.storage.file == nil else {
          if tensor.elementType == .string { inUse += value.memoryByteCount }
          return
        }
        if !plans.contains(arena: tensor.storage),
          seen.insert(ObjectIdentifier(tensor.storage)).inserted
        {
          inUse += tensor.storage.byteCount
        }
      case .sequence(let elements):
        // Its elements are not looked at again and again while it grows.
        if let identity = elements.identity, seen.insert(identity).inserted {
          inUse += min(elements.memoryByteCount, 1 << 60)
        }
      case .optional(let value): if let value { add(value) }
      case .map: inUse += value.memoryByteCount
      }
    }
    for value in values { add(value) }
    for case let value? in results { add(value) }
    return MemoryBudget(
      limit: executable.options.memoryLimit, inUse: inUse,
      freeByteCount: executable.options.freeByteCount)
  }

  /// Like ``memory(_:results:)``, for the dynamic steps of a plan; `nil` if it has none.
  private func memory(
    for plan: Plan, _ values: [RuntimeValue], results: [RuntimeValue?]
  ) -> MemoryBudget? {
    plan.hasDynamicSteps ? memory(values, results: results) : nil
  }

  /// The inputs in memory that kernels can read.
  private static func aligned(_ inputs: [RuntimeValue]) throws -> [RuntimeValue] {
    func isAligned(_ value: RuntimeValue) -> Bool {
      if case .tensor(let tensor) = value { tensor.isAligned } else { true }
    }
    guard !inputs.allSatisfy(isAligned) else { return inputs }
    return try inputs.map { isAligned($0) ? $0 : .tensor(try $0.tensor.copied()) }
  }

  /// - Throws: `GraftError` that names the input that does not match
  private func check(_ inputs: [RuntimeValue]) throws {
    guard inputs.count == graph.inputs.count else {
      throw GraftError.usage(
        "the model has \(graph.inputs.count) inputs "
          + "(\(executable.inputNames.listed())), but \(inputs.count) were given")
    }
    for (position, value) in inputs.enumerated() {
      guard let declared = executable.declaredType(ofInput: position), !declared.accepts(value)
      else { continue }
      throw GraftError.usage(
        "input '\(executable.inputNames[position])' is "
          + "\(value.staticType(declared: declared)); the model declares \(declared)")
    }
  }
}

extension ValueType {
  /// Whether a value has this type, as far as extents are known.
  package func accepts(_ value: RuntimeValue) -> Bool {
    switch (self, value) {
    case (.tensor(let type), .tensor(let tensor)), (.sparseTensor(let type), .tensor(let tensor)):
      type.accepts(tensor)
    case (.sequence(.tensor(let type)), .sequence(let elements)) where elements.pattern != nil:
      elements.pattern.map(type.accepts) ?? true
    case (.sequence(let type), .sequence(let elements)): elements.allSatisfy(type.accepts)
    case (.optional(let type), .optional(let element)): element.map(type.accepts) ?? true
    case (.optional(let type), _): type.accepts(value)
    case (.map(let key, let type), .map(let map)): key == map.keys.elementType && type.accepts(map)
    default: false
    }
  }
}

extension ValueType {
  /// Whether the values of a map have this type. Some exporters declare scalars as `[1]` or
  /// `[N, 1]`.
  fileprivate func accepts(_ map: RuntimeMap) -> Bool {
    switch map.values {
    case .elements(let elements): elements.allSatisfy(accepts)
    case .scalars(let scalars):
      tensor.map {
        $0.elementType == scalars.elementType
          && ($0.shape ?? []).allSatisfy { ($0.known ?? 1) == 1 }
      } ?? false
    }
  }
}

extension TensorType {
  /// Whether a tensor has this element type and matches the known part of the shape.
  package func accepts(_ tensor: Tensor) -> Bool { accepts(tensor.elementType, tensor.shape) }

  package func accepts(_ otherType: ElementType, _ otherShape: Shape) -> Bool {
    guard otherType == elementType else { return false }
    guard let shape else { return true }
    guard shape.count == otherShape.count else { return false }
    for (dimension, extent) in zip(shape, otherShape) {
      if let known = dimension.known, known != extent { return false }
    }
    return true
  }

  /// Whether all tensors of a pattern have this type.
  fileprivate func accepts(_ pattern: TensorPattern) -> Bool {
    guard pattern.elementType == elementType else { return false }
    guard let shape else { return true }
    guard let extents = pattern.shape, shape.count == extents.count else { return false }
    return zip(shape, extents).allSatisfy { $0.known == nil || $0.known == $1 }
  }
}
