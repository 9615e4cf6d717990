import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A plan with its memory: an arena, and a table of the pointers for kernels.
final class BoundPlan {
  let plan: Plan
  let arena: Storage
  private let table: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let tableCount: Int
  private var arguments: [KernelArguments] = []
  /// Table entries that change with each run: the input or output that goes there.
  private var inputSlots: [(slot: Int, position: Int)] = []
  private var outputSlots: [(slot: Int, position: Int)] = []
  /// Table entries that an earlier dynamic step fills, by step.
  private var heapSlots: [Int: [(slot: Int, id: ValueID, byteCount: Int)]] = [:]
  private var heap: [ValueID: RuntimeValue] = [:]
  /// The bytes of the budget that they take, if they have them for themselves.
  private var heapByteCounts: [ValueID: Int] = [:]
  private let parameters: ParameterStore
  /// Where the plan's arena starts in ``arena``.
  private let arenaOffset: Int
  private let environment: RunEnvironment
  /// The bodies of control steps, by step.
  private var controls: [Int: BoundControl] = [:]

  /// - Parameters:
  ///   - memory: the arena of another plan that never runs at the same time; used if it is large
  ///     enough
  ///   - offset: where the plan's part of `memory` starts
  init(
    _ plan: Plan, parameters: ParameterStore, memory: Storage?, offset: Int = 0,
    environment: RunEnvironment
  ) throws {
    self.plan = plan
    self.parameters = parameters
    self.environment = environment
    if let memory, memory.byteCount >= offset + plan.arenaByteCount {
      self.arena = memory
      arenaOffset = offset
    } else {
      self.arena = try Storage.heap(byteCount: plan.arenaByteCount, isReused: true)
      arenaOffset = 0
    }
    tableCount = plan.steps.reduce(0) { $0 + $1.inputs.count + $1.outputs.count } + 1
    table = .allocate(capacity: tableCount)
    table.initialize(repeating: nil, count: tableCount)
    fillTable(parameters)
    for (index, step) in plan.steps.enumerated() {
      guard case .control(let control) = step.kernel.form else { continue }
      controls[index] = try BoundControl(
        control, step, arena: arena, offset: arenaOffset + step.scratchOffset,
        environment: environment)
    }
  }

  /// The bytes of memory that the bodies hold themselves.
  var bodiesByteCount: Int { controls.values.reduce(0) { $0 + $1.byteCount } }

  deinit {
    table.deinitialize(count: tableCount)
    table.deallocate()
  }

  private func fillTable(_ parameters: ParameterStore) {
    let base = arena.baseAddress + arenaOffset
    var slot = 0
    for (stepIndex, step) in plan.steps.enumerated() {
      let firstInput = slot
      for operand in step.inputs + step.outputs {
        switch operand?.place {
        case nil: break
        case .arena(let offset): table[slot] = base + offset
        case .constant(let index): table[slot] = plan.constants[index].baseAddress
        case .parameter(let id): table[slot] = parameters.tensor(id)?.baseAddress
        case .input(let position): inputSlots.append((slot, position))
        case .output(let position): outputSlots.append((slot, position))
        case .heap(let id):
          if slot < firstInput + step.inputs.count, let operand {
            let byteCount = operand.shape.elementCount * operand.elementType.byteWidth
            heapSlots[stepIndex, default: []].append((slot, id, byteCount))
          }
        }
        slot += 1
      }
      arguments.append(
        KernelArguments(
          inputs: UnsafeBufferPointer(start: table + firstInput, count: step.inputs.count),
          outputs: UnsafeBufferPointer(
            start: table + firstInput + step.inputs.count, count: step.outputs.count),
          scratch: base + step.scratchOffset,
          workerScratchBase: base + step.workerScratchOffset,
          workerScratchStride: plan.workerScratchStride))
    }
  }

  /// Runs all steps, with inputs and outputs in the caller's memory.
  ///
  /// - Parameter memory: the budget of dynamic steps; required if there are any
  func run(
    _ inputs: [RuntimeValue], outputs: [Tensor?], pool: ThreadPool, options: Executable.Options,
    memory: MemoryBudget?, profile: Profile?
  ) throws {
    for (slot, position) in inputSlots {
      guard case .tensor(let tensor) = inputs[position] else { continue }
      table[slot] = tensor.baseAddress
    }
    for (slot, position) in outputSlots { table[slot] = outputs[position]?.baseAddress }
    for index in arguments.indices { arguments[index].trip = environment.trips.counted }
    let state = graft_cpu_set_arithmetic(0)
    defer { graft_cpu_restore_state(state) }
    for index in plan.steps.indices {
      let start = profile == nil ? 0 : Profile.now()
      try runStep(index, inputs, outputs, pool, options.threadCount, memory)
      forgetValues(after: index, memory)
      profile?.add(step: index, of: plan, start: start)
      if options.releasesConstants { releaseConstants(of: plan.steps[index]) }
    }
  }

  private func forgetValues(after index: Int, _ memory: MemoryBudget?) {
    for id in plan.steps[index].lastReads {
      heap[id] = nil
      if let byteCount = heapByteCounts.removeValue(forKey: id) { memory?.release(byteCount) }
    }
  }

  /// The memory of the inputs may be that of outputs, too: the budget does not get it back.
  private func shareInputs(of step: Plan.Step) {
    for operand in step.inputs {
      if case .heap(let id)? = operand?.place { heapByteCounts[id] = nil }
    }
  }

  private func keep(_ value: RuntimeValue, as id: ValueID, _ memory: MemoryBudget) throws {
    let byteCount = value.memoryByteCount
    try memory.reserve(byteCount)
    heapByteCounts[id] = byteCount
  }

  /// A later step that reads them reads them from the file again.
  private func releaseConstants(of step: Plan.Step) {
    for operand in step.inputs {
      if case .constant(let index) = operand?.place { plan.constants[index].releasePages() }
    }
  }

  private func runStep(
    _ index: Int, _ inputs: [RuntimeValue], _ outputs: [Tensor?], _ pool: ThreadPool,
    _ threads: Int, _ memory: MemoryBudget?
  ) throws {
    let flushesSubnormals = plan.steps[index].kernel.flushesSubnormals
    switch plan.steps[index].kernel.form {
    case .phases(let phases):
      if let slots = heapSlots[index] { try fillHeapSlots(slots) }
      do {
        try pool.run(
          phases, arguments[index], threads: threads, flushesSubnormals: flushesSubnormals)
      } catch let error as GraftError {
        throw error.at(plan.steps[index].label)
      }
    case .dynamic(let body):
      let step = plan.steps[index]
      guard let memory else {
        throw GraftError(.software, "runs without a memory budget", places: [step.label])
      }
      try withPlace(step.label) {
        let values = try step.inputs.map { try $0.map { try value($0, inputs, outputs) } }
        let results = try body(values, memory)
        for (id, result) in zip(step.dynamicOutputs, results) {
          guard let id, let result else { continue }
          if step.kernel.reservesMemory || isView(result, of: values) {
            shareInputs(of: step)
          } else {
            try keep(result, as: id, memory)
          }
          heap[id] = result
        }
      }
    case .control(let control):
      try withPlace(plan.steps[index].label) {
        try runControl(control, index, inputs, outputs, memory)
      }
    case .alias: break
    }
  }

  private func runControl(
    _ control: ControlKernel, _ index: Int, _ inputs: [RuntimeValue], _ outputs: [Tensor?],
    _ memory: MemoryBudget?
  ) throws {
    guard let bound = controls[index] else {
      throw GraftError(.software, "a node with bodies is not bound to memory")
    }
    guard memory != nil || !control.needsMemory else {
      throw GraftError(.software, "runs without a memory budget")
    }
    for position in plan.steps[index].inputs.indices {
      let operand = plan.steps[index].inputs[position]
      bound.setInput(position, try operand.map { try value($0, inputs, outputs) })
    }
    for position in plan.steps[index].outputs.indices where !control.allocates[position] {
      guard let operand = plan.steps[index].outputs[position] else { continue }
      bound.run.setOutput(position, try value(operand, inputs, outputs).tensor)
    }
    bound.begin(memory)
    defer { bound.end() }
    try control.run(bound.run)
    guard control.allocates.contains(true), let memory else { return }
    let step = plan.steps[index]
    let values = try step.inputs.map { try $0.map { try value($0, inputs, outputs) } }
    for (position, id) in step.dynamicOutputs.enumerated() {
      guard let id else { continue }
      guard let result = bound.run.results[position] else {
        throw GraftError(.software, "output \(position) was not made")
      }
      bound.run.results[position] = nil
      let kept = try detached(result, step)
      if isView(kept, of: values) { shareInputs(of: step) } else { try keep(kept, as: id, memory) }
      heap[id] = kept
    }
  }

  /// A result that is not in memory that changes: that of the arena or a parameter.
  private func detached(_ result: RuntimeValue, _ step: Plan.Step) throws -> RuntimeValue {
    guard case .tensor(let tensor) = result, tensor.elementType != .string else { return result }
    let isParameter = step.inputs.contains { operand in
      guard case .parameter(let id)? = operand?.place else { return false }
      return parameters.tensor(id)?.storage === tensor.storage
    }
    return tensor.storage.isReused || isParameter ? .tensor(try tensor.copied()) : result
  }

  /// Whether a result is in the memory of an input.
  private func isView(_ result: RuntimeValue, of inputs: [RuntimeValue?]) -> Bool {
    guard case .tensor(let result) = result, result.elementType != .string else { return false }
    return inputs.contains { input in
      guard case .tensor(let input)? = input else { return false }
      return input.storage === result.storage
    }
  }

  private func fillHeapSlots(_ slots: [(slot: Int, id: ValueID, byteCount: Int)]) throws {
    for (slot, id, byteCount) in slots {
      guard let tensor = try heap[id]?.tensor, tensor.byteCount == byteCount else {
        throw GraftError(.software, "a dynamic step made a value of another size than declared")
      }
      table[slot] = tensor.baseAddress
    }
  }

  /// A value of this plan after a run, as a view of its memory.
  func value(
    _ operand: Plan.Operand, _ inputs: [RuntimeValue], _ outputs: [Tensor?]
  ) throws -> RuntimeValue {
    func view(_ storage: Storage, _ byteOffset: Int) throws -> RuntimeValue {
      .tensor(
        try Tensor(
          elementType: operand.elementType, shape: operand.shape, storage: storage,
          byteOffset: byteOffset))
    }
    switch operand.place {
    case .arena(let offset): return try view(arena, arenaOffset + offset)
    case .constant(let index):
      return .tensor(try plan.constants[index].reshaped(operand.shape))
    case .input(let position):
      guard case .tensor(let tensor) = inputs[position], tensor.elementType != .string else {
        return inputs[position]
      }
      // An output that a step made of the input may be longer.
      return try view(tensor.storage, tensor.byteOffset)
    case .output(let position):
      guard let tensor = outputs[position] else {
        throw GraftError(.software, "output \(position) has no memory")
      }
      return .tensor(try tensor.reshaped(operand.shape))
    case .heap(let id):
      guard let value = heap[id] else { throw GraftError(.software, "a value was not made") }
      return value
    case .parameter(let id):
      guard let tensor = parameters.tensor(id) else {
        throw GraftError(.software, "a parameter has no memory")
      }
      return .tensor(tensor)
    }
  }

  /// Forgets the values that dynamic steps made in the last run.
  func dropHeap() {
    if !heap.isEmpty { heap.removeAll(keepingCapacity: true) }
    if !heapByteCounts.isEmpty { heapByteCounts.removeAll(keepingCapacity: true) }
  }

  /// The values that dynamic steps made in the last run.
  func takeHeap() -> [ValueID: RuntimeValue] {
    defer { dropHeap() }
    return heap
  }
}
