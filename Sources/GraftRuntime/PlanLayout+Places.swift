import GraftExecution
import GraftGraph

/// Gives values their places: with the caller, in a parameter, or in the arena.
extension PlanLayout {
  mutating func placeFixedValues() {
    for (position, input) in request.inputs.enumerated() { places[input.id] = .input(position) }
    for id in graph.parameters.keys { places[id] = .parameter(id) }
    for (id, position) in constantPlaces { places[id] = .constant(position) }
    for id in heapValues { places[id] = .heap(id) }
  }

  /// Gives each output that a step makes the caller's memory. Returns the outputs in memory:
  /// position and value.
  mutating func placeOutputs() -> [(Int, ValueID)] {
    var result: [(Int, ValueID)] = []
    let made = Set(stepWrites.joined().compactMap { $0 })
    for (position, id) in graph.outputs.enumerated() {
      guard selection.types[id]?.isStatic ?? false, !heapValues.contains(root(id)) else { continue }
      // Later plans of a chain need not make outputs that are there.
      if request.nodes != nil,
        request.inputs.contains(where: { $0.id == id }) || graph.constants[id] != nil
      { continue }
      result.append((position, id))
      let root = root(id)
      if made.contains(root), places[root] == nil { places[root] = .output(position) }
    }
    return result
  }

  /// Lets steps write new values of parameters where the old ones lie, if these are the last to read them.
  mutating func placeUpdates() {
    var lastReads: [ValueID: Int] = [:]
    var writers: [ValueID: (step: Int, position: Int)] = [:]
    for step in steps.indices {
      for case let id? in stepReads[step] { lastReads[root(id)] = step }
      for (position, id) in stepWrites[step].enumerated() {
        if let id { writers[id] = (step, position) }
      }
    }
    for id in graph.outputs { lastReads[root(id)] = steps.count }
    for (parameter, newValue) in graph.updates.map({ ($0.parameter, $0.newValue) }) {
      guard let writer = writers[newValue], places[newValue] == nil,
        !heapValues.contains(newValue), lastReads[parameter] == writer.step,
        let input = steps[writer.step].kernel.overwrittenInputs[writer.position],
        stepReads[writer.step].enumerated().allSatisfy({ position, id in
          (id.map(root) == parameter) == (position == input)
        })
      else { continue }
      places[newValue] = .parameter(parameter)
    }
  }

  /// What a buffer of the arena holds.
  enum Owner {
    case value(ValueID)
    case scratch(step: Int)
    case workerScratch
  }

  /// The buffers of the arena, and what each holds; sets the scratch of each thread.
  mutating func arenaBuffers(
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

  /// The buffer of an input that dies in this step and that output 0 may take over.
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

  mutating func assign(_ offsets: [Int], to owners: [Owner]) {
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
