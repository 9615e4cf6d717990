import GraftFiles
import GraftTensor

/// An operator prepared for known shapes: what to run, in how many tasks, with how much memory.
///
/// Running it allocates nothing: the closures are made at plan time and get their memory as
/// arguments.
package struct PreparedKernel: Sendable {
  /// Runs task `task` of a phase. Each output element is written by one task, so that the bits do
  /// not depend on the number of threads.
  package typealias Body = @Sendable (_ arguments: KernelArguments, _ task: Int) throws -> Void

  /// Tasks that may run at the same time; the next phase starts when all are done.
  package struct Phase: Sendable {
    package let taskCount: Int
    package let body: Body

    package init(taskCount: Int, body: @escaping Body) {
      self.taskCount = taskCount
      self.body = body
    }
  }

  package enum Form: Sendable {
    case phases([Phase])
    /// Output 0 is input `input` with another shape, in the same memory.
    case alias(input: Int)
    /// For strings, sequences, and data-dependent output shapes: allocates its own outputs within
    /// the memory limit.
    case dynamic(
      @Sendable (_ inputs: [RuntimeValue?], _ memory: MemoryBudget) throws -> [RuntimeValue?])
    /// Runs bodies: other plans.
    case control(ControlKernel)
  }

  package var form: Form
  package var scratchByteCount: Int
  package var workerScratchByteCount: Int
  /// Inputs that output 0 may overwrite if this is their last use: the kernel reads each element
  /// before it writes to the same position.
  package var inPlaceInputs: [Int]
  /// For each output, the input that it updates or starts with: if that is a parameter, or memory
  /// that is given up, without later readers, the output overwrites it. Each element is read before
  /// its position is written.
  package private(set) var overwrittenInputs: [Int: Int] = [:]
  /// Whether its tasks flush subnormal numbers: ``Operator/flushesSubnormals``.
  package internal(set) var flushesSubnormals = false
  /// Whether a dynamic kernel takes the memory of its outputs from the budget itself.
  package private(set) var reservesMemory = false
  /// The chosen algorithm, if there are several.
  package var choice: KernelChoice?

  /// A kernel of several phases.
  package init(
    phases: [Phase], scratchByteCount: Int = 0, workerScratchByteCount: Int = 0,
    inPlaceInputs: [Int] = []
  ) {
    self.form = .phases(phases)
    self.scratchByteCount = scratchByteCount
    self.workerScratchByteCount = workerScratchByteCount
    self.inPlaceInputs = inPlaceInputs
  }

  private init(form: Form) {
    self.form = form
    self.scratchByteCount = 0
    self.workerScratchByteCount = 0
    self.inPlaceInputs = []
  }

  /// A kernel of `taskCount` independent tasks.
  package static func tasks(
    _ taskCount: Int, scratchByteCount: Int = 0, workerScratchByteCount: Int = 0,
    inPlaceInputs: [Int] = [], body: @escaping Body
  ) -> PreparedKernel {
    PreparedKernel(
      phases: [Phase(taskCount: taskCount, body: body)], scratchByteCount: scratchByteCount,
      workerScratchByteCount: workerScratchByteCount, inPlaceInputs: inPlaceInputs)
  }

  /// A kernel that runs on one thread.
  package static func single(
    scratchByteCount: Int = 0, inPlaceInputs: [Int] = [],
    body: @escaping @Sendable (KernelArguments) throws -> Void
  ) -> PreparedKernel {
    tasks(1, scratchByteCount: scratchByteCount, inPlaceInputs: inPlaceInputs) { arguments, _ in
      try body(arguments)
    }
  }

  /// A kernel over `count` items, divided into ranges of about `grain` items.
  ///
  /// - Parameter grain: the items of a task large enough for a thread (about ten microseconds)
  package static func parallel(
    count: Int, grain: Int, workerScratchByteCount: Int = 0, inPlaceInputs: [Int] = [],
    body: @escaping @Sendable (KernelArguments, Range<Int>) throws -> Void
  ) -> PreparedKernel {
    PreparedKernel(
      phases: [.parallel(count: count, grain: grain, body: body)],
      workerScratchByteCount: workerScratchByteCount, inPlaceInputs: inPlaceInputs)
  }

  /// The kernel with ``overwrittenInputs``.
  package func overwriting(_ inputsOfOutputs: [Int: Int]) -> PreparedKernel {
    var kernel = self
    kernel.overwrittenInputs = inputsOfOutputs
    return kernel
  }

  package static func alias(input: Int) -> PreparedKernel {
    PreparedKernel(form: .alias(input: input))
  }

  /// A kernel whose outputs take little more memory than its inputs, or a known amount.
  package static func dynamic(
    _ body: @escaping @Sendable (_ inputs: [RuntimeValue?]) throws -> [RuntimeValue?]
  ) -> PreparedKernel {
    PreparedKernel(form: .dynamic { inputs, _ in try body(inputs) })
  }

  /// A kernel whose outputs may be much larger than its inputs.
  package static func growing(
    _ body:
      @escaping @Sendable (_ inputs: [RuntimeValue?], _ memory: MemoryBudget) throws ->
      [RuntimeValue?]
  ) -> PreparedKernel {
    PreparedKernel(form: .dynamic(body))
  }

  /// A kernel that runs bodies; see ``ControlKernel``.
  package static func control(
    _ bodies: [any BodyProgram], allocates: [Bool], scratchByteCount: Int = 0,
    run: @escaping @Sendable (ControlRun) throws -> Void
  ) -> PreparedKernel {
    var kernel = PreparedKernel(
      form: .control(ControlKernel(bodies: bodies, allocates: allocates, run: run)))
    kernel.scratchByteCount = scratchByteCount
    return kernel
  }

  /// Whether running the kernel takes memory that no plan holds.
  package var needsMemory: Bool {
    switch form {
    case .phases, .alias: false
    case .dynamic: true
    case .control(let control): control.needsMemory
    }
  }

  /// Whether the kernel allocates an output.
  package func allocates(output: Int) -> Bool {
    switch form {
    case .phases, .alias: false
    case .dynamic: true
    case .control(let control): output < control.allocates.count && control.allocates[output]
    }
  }

  /// A kernel whose outputs may hold tensors of its inputs (``Tensor/kept(_:)``). It takes the
  /// memory of whatever is new from the budget itself.
  package static func sharing(
    _ body:
      @escaping @Sendable (_ inputs: [RuntimeValue?], _ memory: MemoryBudget) throws ->
      [RuntimeValue?]
  ) -> PreparedKernel {
    var kernel = PreparedKernel(form: .dynamic(body))
    kernel.reservesMemory = true
    return kernel
  }
}

extension PreparedKernel {
  /// The distance in bytes between two workers' scratch memories.
  ///
  /// - Throws: `GraftError` if it exceeds an `Int`
  package var workerScratchStride: Int {
    get throws {
      guard (0...Int.max / 2).contains(workerScratchByteCount) else {
        throw GraftError(.operatingSystem, "needs too much memory")
      }
      return (workerScratchByteCount + Storage.alignment - 1) & ~(Storage.alignment - 1)
    }
  }
}

extension PreparedKernel.Phase {
  /// A phase over `count` items, divided into ranges of about `grain` items.
  package static func parallel(
    count: Int, grain: Int,
    body: @escaping @Sendable (KernelArguments, Range<Int>) throws -> Void
  ) -> PreparedKernel.Phase {
    let taskCount = max(1, min(count / max(1, grain), 256))
    let quotient = count / taskCount
    let remainder = count % taskCount
    return PreparedKernel.Phase(taskCount: taskCount) { arguments, task in
      let start = task * quotient + min(task, remainder)
      let end = start + quotient + (task < remainder ? 1 : 0)
      if start < end { try body(arguments, start..<end) }
    }
  }
}
