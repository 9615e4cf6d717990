import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Assigns places: shared memory, in-place steps, and the arena's layout.
struct PlanLayout {
  private let planner: Planner
  private let selection: Selection
  private let request: PlanRequest

  private var graph: Graph { planner.graph }
  private var steps: [Plan.Step] = []
  /// The values that each step reads, in the order of its operands.
  private var stepReads: [[ValueID?]] = []
  private var stepWrites: [[ValueID?]] = []
  /// Values in another value's memory with another shape; the other one is not an alias itself.
  private var aliases: [ValueID: ValueID] = [:]
  private var heapValues: Set<ValueID> = []
  private var constants: [Tensor] = []
  private var constantPlaces: [ValueID: Int] = [:]
  private var places: [ValueID: Plan.Place] = [:]
  /// Values in another value's buffer.
  private var inPlaceOwners: [ValueID: Int] = [:]
  /// Carried outputs that steps write over their inputs.
  private var outputsInPlace: Set<Int> = []
  private var workerScratchStride = 0

  init(planner: Planner, selection: Selection, request: PlanRequest) {
    self.planner = planner
    self.selection = selection
    self.request = request
  }

  mutating func plan() throws -> Plan {
    let continuation = continuation()
    guard continuation == nil || graph.updates.isEmpty else {
      throw GraftError.unsupported("training a graph with data-dependent shapes")
    }
    try prepareSteps(wanted: Set(continuation?.values ?? []))
    placeFixedValues()
    placeCarried()
    let outputValues = placeOutputs()
    placeUpdates()
    let (buffers, owners) = try arenaBuffers(outliving: Set(continuation?.values ?? []))
    let layout = try MemoryPlanner.layOut(buffers)
    assign(layout.offsets, to: owners)
    try appendCopies(to: outputValues)
    noteLastReads(outliving: Set(continuation?.values ?? []))
    try fillOperands()

    var operands: [ValueID: Plan.Operand] = [:]
    for id in continuation?.values ?? [] {
      placeIfFolded(root(id))
      operands[id] = try operand(id)
    }
    var outputs: [Int: Plan.Operand] = [:]
    for (position, id) in outputValues {
      outputs[position] = Plan.Operand(
        place: .output(position), elementType: types(of: id).elementType,
        shape: types(of: id).shape?.knownShape ?? [])
    }
    return Plan(
      request: request, steps: steps, constants: constants,
      foldedByteCount: selection.foldedByteCount, arenaByteCount: layout.byteCount,
      workerScratchStride: workerScratchStride, outputs: outputs, operands: operands,
      continuation: continuation, outputsInPlace: outputsInPlace)
  }

  private func root(_ id: ValueID) -> ValueID { aliases[id] ?? id }

  private func types(of id: ValueID) -> TensorType {
    selection.types[id]?.tensor ?? TensorType(.float, nil)
  }

  /// Copies outputs that share memory with something else, and parameters whose new values are
  /// elsewhere.
  private mutating func appendCopies(to outputs: [(Int, ValueID)]) throws {
    // Inputs are read before outputs take their memory.
    let ordered = outputs.filter { !isShared($0.0) } + outputs.filter { isShared($0.0) }
    for (position, id) in ordered where !outputsInPlace.contains(position) {
      let root = root(id)
      if places[root] == .output(position) { continue }
      if isShared(position), case .input(let input)? = places[root], !isUpdated(root) {
        if request.carried[position] == input { continue }
        guard !request.carried.values.contains(input) else {
          throw GraftError.unsupported(
            "output '\(graph[id].name)' is an input whose memory another output takes")
        }
      }
      placeIfFolded(root)
      try appendCopy(of: id, to: .output(position), label: "output '\(graph[id].name)'")
    }
    for update in graph.updates
    where places[root(update.newValue)] != .parameter(update.parameter) {
      try appendCopy(
        of: update.newValue, to: .parameter(update.parameter),
        label: "parameter '\(graph[update.parameter].name)'")
    }
  }

  /// Whether an output goes where an input is.
  private func isShared(_ position: Int) -> Bool {
    request.sharesMemory && request.carried[position] != nil
  }

  /// Whether a step writes a value over an input.
  private func isUpdated(_ id: ValueID) -> Bool {
    outputsInPlace.contains { root(graph.outputs[$0]) == id }
  }

  /// Lets steps forget the values outside of the arena that they are the last to read.
  private mutating func noteLastReads(outliving: Set<ValueID>) {
    guard !heapValues.isEmpty else { return }
    var lastReads: [ValueID: Int] = [:]
    for step in steps.indices {
      for case let id? in stepReads[step] + steps[step].dynamicOutputs where heapValues.contains(id)
      {
        lastReads[id] = step
      }
    }
    let kept = outliving.union(graph.outputs)
    for (id, step) in lastReads.sorted(by: { $0.key < $1.key }) where !kept.contains(id) {
      steps[step].lastReads.append(id)
    }
  }

  /// Places a folded value that no step of this plan reads.
  private mutating func placeIfFolded(_ id: ValueID) {
    guard places[id] == nil, let tensor = selection.known[id] else { return }
    constantPlaces[id] = constants.count
    places[id] = .constant(constants.count)
    constants.append(tensor)
  }

  private mutating func appendCopy(of id: ValueID, to place: Plan.Place, label: String) throws {
    let source = try operand(id)
    let byteCount = try Tensor.byteCount(source.elementType, source.shape)
    var target = source
    target.place = place
    steps.append(
      Plan.Step(
        label: label, operatorType: "copy",
        kernel: .parallel(count: byteCount, grain: 1 << 18) { arguments, range in
          (arguments.output(0) + range.lowerBound).copyMemory(
            from: arguments.input(0) + range.lowerBound, byteCount: range.count)
        },
        inputs: [source], outputs: [target], dynamicOutputs: [], scratchOffset: 0,
        workerScratchOffset: 0))
    stepReads.append([id])
    stepWrites.append([])
  }

  private func operand(_ id: ValueID) throws -> Plan.Operand {
    guard let place = places[root(id)] else {
      throw GraftError(.software, "value '\(graph[id].name)' has no place")
    }
    let type = types(of: id)
    return Plan.Operand(
      place: place, elementType: type.elementType, shape: type.shape?.knownShape ?? [])
  }

  private mutating func fillOperands() throws {
    for step in steps.indices where steps[step].operatorType != "copy" {
      steps[step].inputs = try stepReads[step].map { id in try id.map { try operand($0) } }
      steps[step].outputs = try stepWrites[step].map { id in try id.map { try operand($0) } }
    }
  }

  // MARK: Steps

  /// The part that remains after this plan; `nil` if there is none.
  private func continuation() -> Plan.Continuation? {
    let nodes = selection.deferred
    guard !nodes.isEmpty else { return nil }
    var made: Set<ValueID> = []
    for index in nodes { made.formUnion(graph.nodes[index].outputs.compactMap { $0 }) }
    var values: Set<ValueID> = []
    for index in nodes {
      let node = graph.nodes[index]
      for case let id? in node.inputs where !made.contains(id) { values.insert(id) }
      for body in node.bodies {
        for id in body.captures.values where !made.contains(id) { values.insert(id) }
      }
    }
    let fixed = values.filter { graph.constants[$0] != nil || graph.parameters[$0] != nil }
    return Plan.Continuation(
      nodes: nodes, values: values.subtracting(fixed).sorted(),
      contents: selection.neededContents)
  }

  /// Prepares the kernels of nodes with used outputs.
  private mutating func prepareSteps(wanted: Set<ValueID>) throws {
    var live = wanted.union(graph.outputs)
    for update in graph.updates { live.insert(update.newValue) }
    var kept: [Planner.Item] = []
    for item in selection.items.reversed() {
      guard item.node.outputs.contains(where: { $0.map(live.contains) ?? false }) else { continue }
      for case let input? in item.node.inputs { live.insert(input) }
      for body in item.node.bodies { live.formUnion(body.captures.values) }
      kept.append(item)
    }
    for item in kept.reversed() {
      try withPlace(graph.label(item.node)) { try prepare(item) }
    }
  }

  private mutating func prepare(_ item: Planner.Item) throws {
    let node = item.node
    let acceptsUnaligned = type(of: item.operation).acceptsUnalignedInputs
    var descriptions: [PrepareContext.Description?] = []
    descriptions.reserveCapacity(node.inputs.count)
    for input in node.inputs {
      guard let input, let type = selection.types[input]?.tensor,
        let shape = type.shape?.knownShape
      else {
        descriptions.append(nil)
        continue
      }
      var constant = selection.known[input]
      if let tensor = constant, !tensor.isAligned, !acceptsUnaligned {
        constant = try planner.packedConstants.packed(
          tensor, format: "aligned", elementType: tensor.elementType, shape: tensor.shape
        ) { try tensor.copied() }
      }
      descriptions.append(
        PrepareContext.Description(
          elementType: type.elementType, shape: shape, constant: constant))
      if let constant, constantPlaces[input] == nil {
        constantPlaces[input] = constants.count
        constants.append(constant)
      }
    }
    // Checked before kernels make tables of the extents.
    try planner.memory.require(item.outputTypes.lazy.map { $0?.memoryByteCount ?? 0 })
    let context = PrepareContext(
      // Operators do not know of captured values.
      inputs: Array(descriptions[..<(item.bodies?.ownInputCount ?? descriptions.count)]),
      outputs: zip(node.outputs, item.outputTypes).map { id, type in
        guard id != nil, let type = type?.tensor, let shape = type.shape?.knownShape else {
          return nil
        }
        return PrepareContext.Description(elementType: type.elementType, shape: shape)
      },
      precision: planner.precision, tuning: planner.tuning,
      packedConstants: planner.packedConstants,
      bodies: preparedBodies(item), wantedOutputs: node.outputs.map { $0 != nil })
    let kernel = try item.operation.makeKernel(context)
    switch kernel.form {
    case .alias(let position):
      guard let output = node.outputs.first ?? nil, let source = node.inputs[position] else {
        throw GraftError(.software, "an alias without a source")
      }
      if selection.types[source]?.isStatic ?? false, !heapValues.contains(root(source)) {
        aliases[output] = root(source)
        return
      }
      let shape = item.outputTypes.first.flatMap { $0?.tensor?.shape?.knownShape }
      appendStep(
        node,
        .dynamic { inputs in
          guard case .tensor(let tensor)? = inputs[position], let shape else {
            return [inputs[position]]
          }
          return [.tensor(try tensor.reshaped(shape))]
        })
    default:
      appendStep(node, kernel)
    }
  }

  /// The bodies of a node, with what is known of the values that they capture.
  private func preparedBodies(_ item: Planner.Item) -> [ByteString: any BodyProgram] {
    guard let bodies = item.bodies else { return [:] }
    let values = item.node.inputs.map { input in
      BodyValue(
        type: input.flatMap { selection.types[$0] }, contents: input.flatMap { selection.known[$0] }
      )
    }
    return bodies.bodies.mapValues { $0.prepared(with: values, by: planner) }
  }

  private mutating func appendStep(_ node: Node, _ kernel: PreparedKernel) {
    var kernel = kernel
    let dynamicOutputs = node.outputs.enumerated().map { kernel.allocates(output: $0) ? $1 : nil }
    heapValues.formUnion(dynamicOutputs.compactMap { $0 })
    var bodiesOffset = 0
    if case .control(let control) = kernel.form {
      // One body runs at a time.
      let (offset, overflow) = kernel.scratchByteCount.addingReportingOverflow(
        Storage.alignment - 1)
      bodiesOffset = offset & ~(Storage.alignment - 1)
      let (sum, exceeds) = bodiesOffset.addingReportingOverflow(
        control.bodies.map(\.arenaByteCount).max() ?? 0)
      kernel.scratchByteCount = overflow || exceeds ? .max : sum
    }
    steps.append(
      Plan.Step(
        label: graph.label(node), operatorType: node.qualifiedType, kernel: kernel, inputs: [],
        outputs: [], dynamicOutputs: dynamicOutputs, scratchOffset: 0, workerScratchOffset: 0,
        bodiesOffset: bodiesOffset))
    stepReads.append(node.inputs)
    stepWrites.append(node.outputs)
  }

  // MARK: Places

  private mutating func placeFixedValues() {
    for (position, input) in request.inputs.enumerated() { places[input.id] = .input(position) }
    for id in graph.parameters.keys { places[id] = .parameter(id) }
    for (id, position) in constantPlaces { places[id] = .constant(position) }
    for id in heapValues { places[id] = .heap(id) }
  }

  /// Places each output that a step computes in the caller's memory. Returns these outputs:
  /// position and value.
  private mutating func placeOutputs() -> [(Int, ValueID)] {
    var result: [(Int, ValueID)] = []
    let made = Set(stepWrites.joined().compactMap { $0 })
    for (position, id) in graph.outputs.enumerated() {
      guard selection.types[id]?.isStatic ?? false, !heapValues.contains(root(id)) else { continue }
      // Later plans of a chain need not compute existing outputs.
      if request.nodes != nil,
        request.inputs.contains(where: { $0.id == id }) || graph.constants[id] != nil
      {
        continue
      }
      result.append((position, id))
      let root = root(id)
      // Steps may still read an input in whose memory the output goes.
      if isShared(position) { continue }
      if made.contains(root), places[root] == nil { places[root] = .output(position) }
    }
    return result
  }

  /// Lets steps overwrite parameters with their new values, if these steps are the last readers.
  private mutating func placeUpdates() {
    for (parameter, newValue) in overwriting(graph.updates.map { ($0.parameter, $0.newValue) }) {
      places[newValue] = .parameter(parameter)
    }
  }

  /// Lets steps overwrite carried inputs with the outputs that come in there in the next trip.
  private mutating func placeCarried() {
    let pairs = request.carried.map { output, input in
      (output, input, request.inputs[input].id, graph.outputs[output])
    }
    let overwriting = overwriting(pairs.map { ($0.2, $0.3) })
    for (output, input, old, new) in pairs
    where overwriting.contains(where: { $0 == (old, new) }) {
      places[new] = .input(input)
      outputsInPlace.insert(output)
    }
  }

  /// The pairs of values of which the step that makes the new one can write it over the old one,
  /// as the last reader.
  private func overwriting(_ pairs: [(old: ValueID, new: ValueID)]) -> [(ValueID, ValueID)] {
    guard !pairs.isEmpty else { return [] }
    var lastReads: [ValueID: Int] = [:]
    var writers: [ValueID: (step: Int, position: Int)] = [:]
    for step in steps.indices {
      for case let id? in stepReads[step] { lastReads[root(id)] = step }
      for (position, id) in stepWrites[step].enumerated() {
        if let id { writers[id] = (step, position) }
      }
    }
    for id in graph.outputs { lastReads[root(id)] = steps.count }
    return pairs.filter { old, new in
      guard let writer = writers[new], places[new] == nil, !heapValues.contains(new),
        lastReads[old] == writer.step,
        let input = steps[writer.step].kernel.overwrittenInputs[writer.position]
      else { return false }
      return stepReads[writer.step].enumerated().allSatisfy { position, id in
        (id.map(root) == old) == (position == input)
      }
    }
  }

  /// The value or scratch of a buffer in the arena.
  private enum Owner {
    case value(ValueID)
    case scratch(step: Int)
    case workerScratch
  }

  /// The buffers of the arena and their owners; sets the scratch of each thread.
  private mutating func arenaBuffers(
    outliving: Set<ValueID>
  ) throws -> ([MemoryPlanner.Buffer], [Owner]) {
    var lastUse: [ValueID: Int] = [:]
    for (step, reads) in stepReads.enumerated() {
      for case let id? in reads { lastUse[root(id)] = step }
    }
    let end = steps.count
    for id in outliving { lastUse[root(id)] = end }
    for id in graph.outputs { lastUse[root(id)] = end }
    for update in graph.updates { lastUse[root(update.newValue)] = end }

    var buffers: [MemoryPlanner.Buffer] = []
    var owners: [Owner] = []
    var bufferOf: [ValueID: Int] = [:]
    for step in steps.indices {
      for (position, id) in stepWrites[step].enumerated() {
        guard let id, places[id] == nil, !heapValues.contains(id) else { continue }
        let byteCount = selection.types[id]?.byteCount ?? 0
        let end = max(lastUse[id] ?? step, step)
        if position == 0,
          let buffer = inPlaceBuffer(step, byteCount: byteCount, lastUse, bufferOf)
        {
          let start = buffers[buffer].lifetime.lowerBound
          buffers[buffer].lifetime = start...max(buffers[buffer].lifetime.upperBound, end)
          bufferOf[id] = buffer
          inPlaceOwners[id] = buffer
          continue
        }
        bufferOf[id] = buffers.count
        buffers.append(MemoryPlanner.Buffer(byteCount: byteCount, lifetime: step...end))
        owners.append(.value(id))
      }
      if steps[step].kernel.scratchByteCount != 0 {
        buffers.append(
          MemoryPlanner.Buffer(
            byteCount: steps[step].kernel.scratchByteCount, lifetime: step...step))
        owners.append(.scratch(step: step))
      }
    }
    workerScratchStride = try steps.map { try $0.kernel.workerScratchStride }.max() ?? 0
    if workerScratchStride > 0 {
      let (byteCount, overflow) = workerScratchStride.multipliedReportingOverflow(
        by: planner.threadCount)
      buffers.append(
        MemoryPlanner.Buffer(
          byteCount: overflow ? .max : byteCount, lifetime: 0...max(end, 0)))
      owners.append(.workerScratch)
    }
    return (buffers, owners)
  }

  /// The buffer of an input that is last read in this step, and that output 0 may overwrite.
  private func inPlaceBuffer(
    _ step: Int, byteCount: Int, _ lastUse: [ValueID: Int], _ bufferOf: [ValueID: Int]
  ) -> Int? {
    let allowed = steps[step].kernel.inPlaceInputs
    for position in allowed where position < stepReads[step].count {
      guard let id = stepReads[step][position] else { continue }
      let root = root(id)
      guard let buffer = bufferOf[root], lastUse[root] == step,
        selection.types[root]?.byteCount == byteCount,
        stepReads[step].enumerated().allSatisfy({ other, read in
          read.map(self.root) != root || allowed.contains(other)
        })
      else { continue }
      return buffer
    }
    return nil
  }

  private mutating func assign(_ offsets: [Int], to owners: [Owner]) {
    for (buffer, owner) in owners.enumerated() {
      switch owner {
      case .value(let id): places[id] = .arena(offsets[buffer])
      case .scratch(let step): steps[step].scratchOffset = offsets[buffer]
      case .workerScratch:
        for step in steps.indices { steps[step].workerScratchOffset = offsets[buffer] }
      }
    }
    for (id, buffer) in inPlaceOwners { places[id] = .arena(offsets[buffer]) }
  }
}
