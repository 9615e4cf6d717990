import GraftExecution
import GraftFiles
import GraftGraph
import GraftPasses
import GraftTensor
import Synchronization

/// The bodies of one node as executables of their own.
struct NodeBodies: Sendable {
  /// The number of the node's inputs without captured values.
  let ownInputCount: Int
  /// By attribute.
  let bodies: [ByteString: NodeBody]
  /// The memory of constants that lowering the bodies generated.
  let generatedMemory: Lowering.GeneratedMemory

  /// Makes values that the bodies capture inputs of the node, after its own. Captured constants
  /// become constants of the bodies, in the same memory.
  init(
    ofNodeAt index: Int, in graph: inout Graph, options: Executable.Options,
    packedConstants: PackedConstants
  ) throws {
    let node = graph.nodes[index]
    ownInputCount = node.inputs.count
    var inputs = node.inputs
    var positions: [ValueID: Int] = [:]
    var bodies: [ByteString: NodeBody] = [:]
    var memory = Lowering.GeneratedMemory()
    for (name, attribute) in node.attributes.sorted(by: { $0.key < $1.key }) {
      guard case .graph(var body) = attribute else { continue }
      let ownInputCount = body.inputs.count
      var captured: [Int] = []
      for (inner, outer) in body.captures.sorted(by: { $0.key < $1.key }) {
        if let constant = graph.constants[outer] {
          body.constants[inner] = constant
          body[inner].type = .tensor(
            TensorType(constant.elementType, [Dimension](constant.shape)))
          continue
        }
        let position = positions[outer] ?? inputs.count
        if position == inputs.count { inputs.append(outer) }
        positions[outer] = position
        captured.append(position)
        body[inner].type = graph[outer].type ?? body[inner].type
        body.inputs.append(inner)
      }
      body.captures = [:]
      let place = "graph '\(body.name)'"
      let made: Result<Executable, GraftError>
      do {
        let executable = try Executable(body, options: options, enclosing: packedConstants)
        memory.add(executable.generatedMemory)
        made = .success(executable)
      } catch let error as GraftError where [.badData, .unavailable].contains(error.code) {
        // A body that does not fit together is an error only if it runs.
        made = .failure(error.at(place))
      } catch let error as GraftError {
        throw error.at(place)
      }
      bodies[name] = NodeBody(made, ownInputCount: ownInputCount, captured: captured)
    }
    graph.nodes[index].inputs = inputs
    self.bodies = bodies
    generatedMemory = memory
  }
}

/// A body of a node, with what a plan knows of the values that it captures.
struct NodeBody: BodyProgram {
  private let made: Result<Executable, GraftError>
  /// The number of the body's inputs without captured values.
  let ownInputCount: Int
  /// The positions of captured values among the node's inputs.
  let captured: [Int]
  /// What is known of the captured values; `nil` for a type that is not.
  private var capturedValues: [BodyValue] = []
  private var packedConstants: PackedConstants?
  /// The bytes in use when the body is planned.
  private var usedByteCount = 0
  /// The plan, if all shapes are known before a run.
  private(set) var plan: Plan?

  init(_ made: Result<Executable, GraftError>, ownInputCount: Int, captured: [Int]) {
    self.made = made
    self.ownInputCount = ownInputCount
    self.captured = captured
  }

  /// - Throws: `GraftError` if the body is invalid
  var executable: Executable { get throws { try made.get() } }

  /// The body in a plan.
  ///
  /// - Parameter values: what is known of the node's inputs
  func prepared(with values: [BodyValue], by planner: Planner) -> NodeBody {
    var body = self
    body.capturedValues = captured.map { values[$0] }
    body.packedConstants = planner.packedConstants
    body.usedByteCount = planner.memory.usedByteCount
    return body
  }

  func planned(
    for inputs: [PrepareContext.Description], carried: [Int: Int]
  ) throws -> (any BodyProgram)? {
    let executable = try executable
    var known: [PlanRequest.Input] = []
    for (id, input) in zip(executable.graph.inputs, inputs) {
      let type = TensorType(input.elementType, [Dimension](input.shape))
      known.append(PlanRequest.Input(id: id, type: .tensor(type)))
    }
    for (id, value) in zip(executable.graph.inputs.dropFirst(ownInputCount), capturedValues) {
      guard let type = value.type, type.isStatic else { return nil }
      known.append(PlanRequest.Input(id: id, type: type, contents: value.contents))
    }
    guard inputs.allSatisfy({ $0.elementType != .string }) else { return nil }
    let options = executable.options
    let memory = MemoryBudget(
      limit: options.memoryLimit, inUse: usedByteCount, freeByteCount: options.freeByteCount)
    let plan = try executable.planner(memory: memory, packedConstants: packedConstants).plan(
      PlanRequest(inputs: known, carried: carried))
    guard plan.continuation == nil, plan.outputs.count == executable.graph.outputs.count else {
      return nil
    }
    var body = self
    body.plan = plan
    return body
  }

  var plannedOutputs: [PrepareContext.Description] {
    guard let plan, let graph = try? executable.graph else { return [] }
    return graph.outputs.indices.compactMap { index in
      plan.outputs[index].map {
        PrepareContext.Description(elementType: $0.elementType, shape: $0.shape)
      }
    }
  }

  var outputsInPlace: Set<Int> { plan?.outputsInPlace ?? [] }
  var arenaByteCount: Int { plan?.arenaByteCount ?? 0 }
  var needsMemory: Bool { plan?.hasDynamicSteps ?? true }
}

/// Infers the bodies of a node for known shapes.
struct PlannedBodyInference: BodyInference {
  private let bodies: NodeBodies
  /// What is known of the node's inputs, with captured values.
  private let inputs: [BodyValue]

  init(_ bodies: NodeBodies, _ types: [ValueType?], _ contents: [Tensor?]) {
    self.bodies = bodies
    inputs = zip(types, contents).map { BodyValue(type: $0, contents: $1) }
  }

  /// Repeating it costs little: executables remember what they inferred.
  var depth: Int { 0 }

  func infer(
    _ attribute: String, _ inputs: [ValueType?], contents: [Tensor?]
  ) throws -> [BodyValue] {
    guard let body = bodies.bodies[attribute] else {
      throw GraftError.badData("attribute '\(attribute)' is missing")
    }
    var values = inputs.enumerated().map { index, type in
      BodyValue(type: type, contents: index < contents.count ? contents[index] : nil)
    }
    values += body.captured.map { self.inputs[$0] }
    return try body.executable.inferredOutputs(of: values)
  }
}

/// What a body computes from some inputs.
struct BodyInferenceRequest: Sendable {
  let inputs: [BodyValue]
  let outputs: [BodyValue]

  /// Whether it is about these inputs.
  func asks(for other: [BodyValue]) -> Bool {
    inputs.count == other.count
      && zip(inputs, other).allSatisfy { first, second in
        guard first.type == second.type else { return false }
        guard let first = first.contents, let second = second.contents else {
          return first.contents == nil && second.contents == nil
        }
        return first.isSame(as: second)
      }
  }
}

extension Tensor {
  /// Whether both are of one type and shape, with the same bytes.
  fileprivate func isSame(as other: Tensor) -> Bool {
    guard elementType == other.elementType, shape == other.shape, strings == other.strings else {
      return false
    }
    if storage === other.storage, byteOffset == other.byteOffset { return true }
    return withUnsafeBytes { a in other.withUnsafeBytes { b in a.elementsEqual(b) } }
  }
}

extension Executable {
  private static let inferenceLimit = 4

  /// What is known of the outputs for what is known of the inputs, before a run.
  func inferredOutputs(of inputs: [BodyValue]) throws -> [BodyValue] {
    if let known = inferences.withLock({ $0.first { $0.asks(for: inputs) } }) {
      return known.outputs
    }
    var requested: [PlanRequest.Input] = []
    var unknown: [ValueID] = []
    for (id, value) in zip(graph.inputs, inputs) {
      if let type = value.type {
        requested.append(PlanRequest.Input(id: id, type: type, contents: value.contents))
      } else {
        unknown.append(id)
      }
    }
    var selection = Selection(
      graph: plannedGraph, operations: operations, bodies: bodies, inputs: requested,
      unknown: unknown)
    for index in graph.nodes.indices {
      try withPlace(graph.label(graph.nodes[index])) { try selection.add(index) }
    }
    let outputs = graph.outputs.map {
      BodyValue(type: selection.types[$0], contents: selection.known[$0])
    }
    inferences.withLock { inferences in
      if inferences.count >= Self.inferenceLimit { inferences.removeLast() }
      inferences.insert(BodyInferenceRequest(inputs: inputs, outputs: outputs), at: 0)
    }
    return outputs
  }
}
