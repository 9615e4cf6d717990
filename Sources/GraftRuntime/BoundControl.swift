import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// What the sessions of a model and of its bodies share.
final class RunEnvironment {
  let pool: ThreadPool
  let trips: TripCounter

  init(pool: ThreadPool, trips: TripCounter) {
    self.pool = pool
    self.trips = trips
  }
}

/// A step with bodies, bound to memory.
final class BoundControl {
  let run: ControlRun
  private let bodies: [BoundBody]

  /// - Parameters:
  ///   - arena: the memory of the plan
  ///   - offset: where the step's scratch memory starts in it
  init(
    _ control: ControlKernel, _ step: Plan.Step, arena: Storage, offset: Int,
    environment: RunEnvironment
  ) throws {
    bodies = try control.bodies.map { body in
      guard let body = body as? NodeBody else {
        throw GraftError(.software, "a body of an unknown kind")
      }
      return try BoundBody(
        body, arena: arena, offset: offset + step.bodiesOffset, environment: environment)
    }
    // Captured values come after the node's own inputs.
    let firstCaptured = bodies.flatMap(\.body.captured).min() ?? step.inputs.count
    run = ControlRun(
      inputCount: min(firstCaptured, step.inputs.count), outputCount: step.outputs.count,
      bodies: bodies, trips: environment.trips, arena: arena, scratchOffset: offset)
  }

  /// Sets an input of the node, or a value that its bodies capture.
  func setInput(_ position: Int, _ value: RuntimeValue?) {
    if position < run.inputs.count { run.setInput(position, value) }
    for body in bodies { body.setCaptured(position, value) }
  }

  /// Starts a run.
  ///
  /// - Parameter memory: the budget of the enclosing run
  func begin(_ memory: MemoryBudget?) {
    run.setMemory(memory)
    for body in bodies { body.begin() }
  }

  /// Lets go of the values of a run.
  func end() {
    run.setMemory(nil)
    for position in run.inputs.indices { run.setInput(position, nil) }
    for position in run.outputs.indices { run.setOutput(position, nil) }
    for body in bodies { body.end() }
  }

  /// The bytes of memory that bodies hold outside of the plan's arena.
  var byteCount: Int { bodies.reduce(0) { $0 + $1.byteCount } }
}

/// A body bound to memory: a plan in the enclosing arena, or a session of its own.
final class BoundBody: BodyRunner {
  let body: NodeBody
  private let bound: BoundPlan?
  /// The inputs of the body: its own, then captured values.
  private var inputs: [RuntimeValue]
  private var outputs: [Tensor?]
  private let environment: RunEnvironment
  /// The bytes that this body held when the run began, which the enclosing budget counts.
  private var countedByteCount = 0
  /// Runs a body without a plan; made when it first runs.
  private var session: Session?

  init(_ body: NodeBody, arena: Storage, offset: Int, environment: RunEnvironment) throws {
    self.body = body
    self.environment = environment
    inputs = Array(repeating: Self.empty, count: body.ownInputCount + body.captured.count)
    if let plan = body.plan {
      let executable = try body.executable
      outputs = Array(repeating: nil, count: executable.graph.outputs.count)
      bound = try BoundPlan(
        plan, parameters: executable.parameters, memory: arena, offset: offset,
        environment: environment)
    } else {
      outputs = []
      bound = nil
    }
  }

  /// Stands for an input that is not set.
  private static let empty = RuntimeValue.sequence([])

  func begin() { countedByteCount = byteCount }

  func end() {
    for index in inputs.indices { inputs[index] = Self.empty }
    for index in outputs.indices { outputs[index] = nil }
  }

  var byteCount: Int { bound?.bodiesByteCount ?? session?.byteCount ?? 0 }

  func setCaptured(_ position: Int, _ value: RuntimeValue?) {
    for (index, captured) in body.captured.enumerated() where captured == position {
      if let value { inputs[body.ownInputCount + index] = value }
    }
  }

  func setInput(_ index: Int, _ value: Tensor) { inputs[index] = .tensor(value) }
  func setOutput(_ index: Int, _ memory: Tensor) { outputs[index] = memory }

  func runPlanned(_ memory: MemoryBudget?) throws {
    guard let bound else { throw GraftError(.software, "a body has no plan") }
    try bound.run(
      inputs, outputs: outputs, pool: environment.pool, options: try body.executable.options,
      memory: memory, profile: nil)
    bound.dropHeap()
  }

  func run(_ values: [RuntimeValue], _ memory: MemoryBudget?) throws -> [RuntimeValue] {
    guard values.count == body.ownInputCount else {
      throw GraftError.badData(
        "a body has \(body.ownInputCount) inputs, but \(values.count) values")
    }
    for (index, value) in values.enumerated() { inputs[index] = value }
    if bound != nil { return try runPlannedOutOfPlace(memory) }
    let session = try session ?? Session(ofBody: body.executable, environment)
    self.session = session
    return try session.runBody(
      inputs, besides: max(0, (memory?.usedByteCount ?? 0) - countedByteCount))
  }

  /// Runs a planned body with outputs in new memory.
  private func runPlannedOutOfPlace(_ memory: MemoryBudget?) throws -> [RuntimeValue] {
    for (index, output) in body.plannedOutputs.enumerated() {
      outputs[index] = try Tensor(zeros: output.elementType, shape: output.shape)
    }
    try runPlanned(memory)
    return outputs.compactMap { $0 }.map { .tensor($0) }
  }
}
