import GraftFiles
import GraftTensor

/// An operator made ready for known shapes: what to run, in how many tasks, with how much memory.
///
/// Running one allocates nothing: the closures are made at plan time and get their memory as arguments.
package struct PreparedKernel: Sendable {
  /// Runs task `task` of a phase. Each element of the outputs is written by one task, so that the bits do
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
    /// Output 0 is input `input` under another shape: no work, the same memory.
    case alias(input: Int)
    /// For strings, sequences, and outputs whose shapes only running tells: makes its own outputs, as
    /// far as the memory allows.
    case dynamic(
      @Sendable (_ inputs: [RuntimeValue?], _ memory: MemoryBudget) throws -> [RuntimeValue?])
  }

  package var form: Form
  package var scratchByteCount: Int
  package var workerScratchByteCount: Int
  /// Inputs whose memory output 0 may take over, when the input dies here: the kernel reads each element
  /// before it writes the one at the same place.
  package var inPlaceInputs: [Int]
  /// For outputs, the input of the same shape that they are the new value of: where that is a parameter which nobody
  /// reads later, the output is written over it. Each element is read before the one at the same place is written.
  package private(set) var overwrittenInputs: [Int: Int] = [:]
  /// Whether its tasks run with subnormal numbers taken for zero: ``Operator/flushesSubnormals``.
  package internal(set) var flushesSubnormals = false
  /// Which way of computing this is, where there are several.
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

  /// A kernel over `count` items, cut into ranges of about `grain` items.
  ///
  /// - Parameter grain: how many items make a task worth handing out (some ten microseconds)
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

  /// A kernel whose outputs take little more memory than its inputs, or what is known before.
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

  package var isDynamic: Bool { if case .dynamic = form { true } else { false } }
}

extension PreparedKernel {
  /// Bytes from one worker's scratch memory to the next.
  ///
  /// - Throws: `GraftError` if that does not fit into an `Int`.
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
  /// A phase over `count` items, cut into ranges of about `grain` items.
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
