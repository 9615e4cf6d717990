import GraftFiles
import GraftGraph
import GraftTensor

/// A kernel that runs bodies: a branch, or the trips of a loop.
package struct ControlKernel: Sendable {
  /// The bodies, in the order of ``ControlRun/bodies``. One of them runs at a time.
  package let bodies: [any BodyProgram]
  /// For each output, whether the kernel allocates it; the others are in memory of the plan.
  package let allocates: [Bool]
  /// Runs the bodies and makes the outputs.
  package let run: @Sendable (ControlRun) throws -> Void

  /// Whether the kernel takes memory while it runs.
  package var needsMemory: Bool { allocates.contains(true) || bodies.contains { $0.needsMemory } }
}

/// A body of a node, lowered and ready to be planned.
///
/// Captured values belong to the program: operators pass only the body's own inputs.
package protocol BodyProgram: Sendable {
  /// Plans the body for tensors of these types.
  ///
  /// - Parameters:
  ///   - inputs: the types and shapes of the body's own inputs
  ///   - carried: outputs whose values come in again in the next trip, and the inputs where they do
  /// - Returns: a program that always runs in the plan's memory; `nil` if not all shapes are known
  ///   before it runs
  /// - Throws: `GraftError` if the body is invalid for these shapes
  func planned(
    for inputs: [PrepareContext.Description], carried: [Int: Int]
  ) throws -> (any BodyProgram)?

  /// The carried outputs of a planned program that it writes over their inputs.
  var outputsInPlace: Set<Int> { get }

  /// The outputs of a planned program; empty for others.
  var plannedOutputs: [PrepareContext.Description] { get }

  /// The bytes of memory that a planned program needs for intermediate values.
  var arenaByteCount: Int { get }

  /// Whether the program allocates when it runs.
  var needsMemory: Bool { get }
}

/// A body bound to memory. Not thread-safe.
package protocol BodyRunner: AnyObject {
  /// Sets an input of a planned body, which stays for later runs.
  func setInput(_ index: Int, _ value: Tensor)
  /// Sets the memory of an output of a planned body, which stays for later runs.
  func setOutput(_ index: Int, _ memory: Tensor)
  /// Runs a planned body on its inputs. Allocates nothing.
  func runPlanned(_ memory: MemoryBudget?) throws
  /// Runs a body on any values.
  func run(_ inputs: [RuntimeValue], _ memory: MemoryBudget?) throws -> [RuntimeValue]
}

/// What a control kernel works with; used again in the next run.
package final class ControlRun {
  /// The node's own inputs, without captured values.
  package internal(set) var inputs: [RuntimeValue?]
  /// The memory of outputs that the kernel does not allocate.
  package internal(set) var outputs: [Tensor?]
  /// The values of outputs that the kernel allocates.
  package var results: [RuntimeValue?]
  package let bodies: [any BodyRunner]
  /// `nil` if the kernel does not need memory.
  package internal(set) var memory: MemoryBudget?
  private let trips: TripCounter
  private let arena: Storage
  private let scratchOffset: Int

  package init(
    inputCount: Int, outputCount: Int, bodies: [any BodyRunner], trips: TripCounter,
    arena: Storage, scratchOffset: Int
  ) {
    inputs = Array(repeating: nil, count: inputCount)
    outputs = Array(repeating: nil, count: outputCount)
    results = Array(repeating: nil, count: outputCount)
    self.bodies = bodies
    self.trips = trips
    self.arena = arena
    self.scratchOffset = scratchOffset
  }

  package func setInput(_ index: Int, _ value: RuntimeValue?) { inputs[index] = value }
  package func setOutput(_ index: Int, _ memory: Tensor?) { outputs[index] = memory }
  package func setMemory(_ budget: MemoryBudget?) { memory = budget }

  /// A tensor in the kernel's scratch memory.
  package func scratch(_ elementType: ElementType, _ shape: Shape, at offset: Int) throws -> Tensor
  {
    try Tensor(
      elementType: elementType, shape: shape, storage: arena, byteOffset: scratchOffset + offset)
  }

  /// Call before each trip of a loop.
  ///
  /// - Throws: `GraftError` if the run makes too many trips, or its task was cancelled
  package func countTrip(isPlanned: Bool = true) throws {
    try trips.count(isPlanned ? 1 : TripCounter.unplannedCost)
  }

  /// - Throws: `GraftError` if an input is missing
  package func input(_ index: Int) throws -> RuntimeValue {
    guard index < inputs.count, let value = inputs[index] else {
      throw GraftError.badData("input \(index) is missing")
    }
    return value
  }

  /// The tensor of an input; `nil` if it was omitted.
  package func optionalTensor(_ index: Int) throws -> Tensor? {
    index < inputs.count ? try inputs[index]?.tensor : nil
  }
}

/// Counts the trips of all loops in one run, so that no run goes on for ever.
package final class TripCounter {
  private let limit: Int
  package private(set) var counted = 0

  /// What a trip counts whose body is planned anew each time, as its shapes are not known before.
  static let unplannedCost = 32

  package init(limit: Int) { self.limit = limit }

  /// Starts another run.
  package func reset() { counted = 0 }

  func count(_ cost: Int) throws {
    counted += cost
    guard counted <= limit else {
      throw GraftError(
        .operatingSystem,
        "the loops of the model make more than \(limit) trips"
          + (cost > 1 ? ", where one without known shapes counts as \(cost)" : ""),
        hint: "Check the condition that should end them, or raise --max-trips")
    }
    if Task.isCancelled {
      throw GraftError(.operatingSystem, "the run was cancelled")
    }
  }
}

/// An operator whose nodes have bodies.
package protocol BodyOperator: Operator {
  /// Infers the bodies of a node outside of any graph, which capture nothing.
  func bodyInference() -> any BodyInference

  /// The bodies of such a node, by attribute, which run node by node.
  func interpretedBodies() -> [ByteString: any BodyProgram]
}

extension BodyProgram {
  package func planned(
    for inputs: [PrepareContext.Description], carried: [Int: Int]
  ) throws -> (any BodyProgram)? { nil }
  package var outputsInPlace: Set<Int> { [] }
  package var plannedOutputs: [PrepareContext.Description] { [] }
  package var arenaByteCount: Int { 0 }
  package var needsMemory: Bool { true }
}

/// A body that runs node by node, without a plan.
package protocol InterpretedProgram: BodyProgram {
  /// Runs the body.
  func run(_ inputs: [RuntimeValue], _ memory: MemoryBudget?) throws -> [RuntimeValue]
}

/// Runs an interpreted body in the place of one that is bound to memory.
final class InterpretedRunner: BodyRunner {
  private let body: any InterpretedProgram

  init(_ body: any InterpretedProgram) { self.body = body }

  func setInput(_ index: Int, _ value: Tensor) {}
  func setOutput(_ index: Int, _ memory: Tensor) {}

  func runPlanned(_ memory: MemoryBudget?) throws {
    throw GraftError(.software, "a body has no plan")
  }

  func run(_ inputs: [RuntimeValue], _ memory: MemoryBudget?) throws -> [RuntimeValue] {
    try body.run(inputs, memory)
  }
}

extension ControlKernel {
  /// Runs the kernel outside of a session.
  ///
  /// - Returns: the outputs that are wanted
  func interpret(_ inputs: [RuntimeValue?], memory: MemoryBudget) throws -> [RuntimeValue?] {
    let run = ControlRun(
      inputCount: inputs.count, outputCount: allocates.count,
      bodies: try bodies.map { body in
        guard let body = body as? any InterpretedProgram else {
          throw GraftError(.software, "a body runs outside of a session")
        }
        return InterpretedRunner(body)
      }, trips: TripCounter(limit: 1 << 20), arena: try Storage.heap(byteCount: 0),
      scratchOffset: 0)
    for (index, input) in inputs.enumerated() { run.setInput(index, input) }
    run.setMemory(memory)
    try self.run(run)
    return run.results
  }
}
