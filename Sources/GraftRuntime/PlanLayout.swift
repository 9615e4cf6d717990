import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Assigns places: which values share memory, which step works in place, and the arena's layout.
struct PlanLayout {
  let planner: Planner
  let selection: Selection
  let request: PlanRequest

  var graph: Graph { planner.graph }
  var steps: [Plan.Step] = []
  /// For each step, the values it reads and writes, parallel to its operands.
  var stepReads: [[ValueID?]] = []
  var stepWrites: [[ValueID?]] = []
  /// Values that are another value's memory under another shape; the other one is no alias itself.
  var aliases: [ValueID: ValueID] = [:]
  var heapValues: Set<ValueID> = []
  var constants: [Tensor] = []
  var constantPlaces: [ValueID: Int] = [:]
  var places: [ValueID: Plan.Place] = [:]
  /// Values that live in another value's buffer.
  var inPlaceOwners: [ValueID: Int] = [:]
  var workerScratchStride = 0

  init(planner: Planner, selection: Selection, request: PlanRequest) {
    self.planner = planner
    self.selection = selection
    self.request = request
  }

  mutating func plan() throws -> Plan {
    let continuation = continuation()
    guard continuation == nil || graph.updates.isEmpty else {
      throw GraftError.unsupported("training a graph with shapes that depend on data")
    }
    try prepareSteps(wanted: Set(continuation?.values ?? []))
    placeFixedValues()
    let outputValues = placeOutputs()
    placeUpdates()
    let (buffers, owners) = try arenaBuffers(outliving: Set(continuation?.values ?? []))
    let layout = try MemoryPlanner.layOut(buffers)
    assign(layout.offsets, to: owners)
    try appendCopies(to: outputValues)
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
      continuation: continuation)
  }

  func root(_ id: ValueID) -> ValueID { aliases[id] ?? id }

  func types(of id: ValueID) -> TensorType {
    selection.types[id]?.tensor ?? TensorType(.float, nil)
  }

  /// Outputs that share memory with something else get a copy of it; so do parameters whose new values lie elsewhere.
  private mutating func appendCopies(to outputs: [(Int, ValueID)]) throws {
    for (position, id) in outputs {
      let root = root(id)
      if places[root] == .output(position) { continue }
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

  /// Keeps a value that was folded, and that no step of this plan reads.
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
}
