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

  /// - Parameter memory: the arena of another plan that never runs at the same time; used if it is
  ///   large enough
  init(_ plan: Plan, parameters: ParameterStore, memory: Storage?) throws {
    self.plan = plan
    if let memory, memory.byteCount >= plan.arenaByteCount {
      self.arena = memory
    } else {
      self.arena = try Storage.heap(byteCount: plan.arenaByteCount, isReused: true)
    }
    tableCount = plan.steps.reduce(0) { $0 + $1.inputs.count + $1.outputs.count } + 1
    table = .allocate(capacity: tableCount)
    table.initialize(repeating: nil, count: tableCount)
    fillTable(parameters)
  }

  deinit {
    table.deinitialize(count: tableCount)
    table.deallocate()
  }

  private func fillTable(_ parameters: ParameterStore) {
    var slot = 0
    for (stepIndex, step) in plan.steps.enumerated() {
      let firstInput = slot
      for operand in step.inputs + step.outputs {
        switch operand?.place {
        case nil: break
        case .arena(let offset): table[slot] = arena.baseAddress + offset
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
          scratch: arena.baseAddress + step.scratchOffset,
          workerScratchBase: arena.baseAddress + step.workerScratchOffset,
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
    let state = graft_cpu_set_arithmetic(0)
    defer { graft_cpu_restore_state(state) }
    for index in plan.steps.indices {
      let start = profile == nil ? 0 : Profile.now()
      try runStep(index, inputs, outputs, pool, options.threadCount, memory)
      profile?.add(step: index, of: plan, start: start)
      if options.releasesConstants { releaseConstants(of: plan.steps[index]) }
    }
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
          if !step.kernel.reservesMemory, !isView(result, of: values) {
            try memory.reserve(result.memoryByteCount)
          }
          heap[id] = result
        }
      }
    case .alias: break
    }
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
    case .arena(let offset): return try view(arena, offset)
    case .constant(let index):
      return .tensor(try plan.constants[index].reshaped(operand.shape))
    case .input(let position):
      guard case .tensor(let tensor) = inputs[position] else { return inputs[position] }
      return .tensor(try tensor.reshaped(operand.shape))
    case .output(let position):
      guard let tensor = outputs[position] else {
        throw GraftError(.software, "output \(position) has no memory")
      }
      return .tensor(try tensor.reshaped(operand.shape))
    case .heap(let id):
      guard let value = heap[id] else { throw GraftError(.software, "a value was not made") }
      return value
    case .parameter:
      throw GraftError(.software, "a parameter cannot be read by a dynamic step")
    }
  }

  /// The values that dynamic steps made in the last run.
  func takeHeap() -> [ValueID: RuntimeValue] {
    defer { heap.removeAll(keepingCapacity: true) }
    return heap
  }
}
