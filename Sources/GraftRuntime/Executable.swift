import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTensor
import Synchronization

/// A graph ready to run: lowered, with decoded operators. All sessions share its packed constants
/// and plans.
package final class Executable: Sendable {
  package struct Options: Sendable {
    /// Whether to run fusing and folding passes; otherwise every node runs as in the model.
    package var optimizes = true
    /// What computes the graph.
    package var backend = Backend.cpu
    /// Whether kernels may round to a narrower type than the model's.
    package var precision = Precision.float
    /// The kernels that were measured to be fastest.
    package var tuning = TuningRecord()
    /// The number of threads for kernels; it does not affect the bits.
    package var threadCount = ThreadPool.defaultThreadCount
    /// The bytes that a session may use for inputs, intermediate values, outputs and generated
    /// constants; `nil` for all free memory. It decides whether a run fails, but does not affect
    /// results.
    package var memoryLimit: Int?
    /// Returns the free bytes, where there is no limit.
    package var freeByteCount: @Sendable () -> Int = { AvailableMemory.recentByteCount() }

    /// Whether a session releases the pages of mapped constants as soon as a step has read them,
    /// for programs that run the model once and should never hold all of its weights.
    package var releasesConstants = false

    /// The most trips that the loops of one run may make together.
    package var tripLimit = 1_000_000

    package init() {}
  }

  package let graph: Graph
  package let options: Options
  package let inputNames: [String]
  package let outputNames: [String]
  package let packedConstants: PackedConstants
  package let parameters: ParameterStore
  let operations: [any Operator]
  /// The bodies of nodes, by index of the node.
  let bodies: [Int: NodeBodies]
  /// The graph with values that bodies capture as inputs of their nodes, after the nodes' own.
  let plannedGraph: Graph
  /// The memory of constants that nodes generated.
  let generatedMemory: Lowering.GeneratedMemory

  private struct SharedPlan {
    weak var plan: Plan?
  }

  /// The plans of sessions.
  private let plans = Mutex<[SharedPlan]>([])
  /// Whether the executable started with a compiled form.
  private let wasCompiled: Bool

  /// What is known of inputs of these types, from the last requests.
  let inferences = Mutex<[BodyInferenceRequest]>([])

  /// - Parameters:
  ///   - compiled: the model's cached compiled form, if any; its graph must be `graph`
  ///   - writer: moves the large constants from lowering out of memory
  ///   - parameters: the store of another executable with the graph's parameters under the same
  ///     IDs, to share updates; by default the executable has its own store
  ///   - enclosing: for a body of a node, the packed constants of the enclosing graph
  /// - Throws: `GraftError` that lists all unsupported operators, or names the invalid node
  package init(
    _ graph: Graph, options: Options = Options(), compiled: CompiledModel? = nil,
    writer: CompiledModelWriter? = nil, parameters: ParameterStore? = nil,
    enclosing: PackedConstants? = nil
  ) throws {
    try graph.requireSupportedOperators { options.backend.type(of: $0) != nil }
    let updated = Set(graph.updates.map(\.parameter))
    guard updated.count == graph.updates.count, updated.isSubset(of: graph.parameters.keys) else {
      throw GraftError(.software, "an update of something other than a parameter, or a duplicate")
    }
    var lowered = graph
    let compiled = options.optimizes ? compiled : nil
    var generatedMemory = Lowering.GeneratedMemory()
    if let compiled {
      generatedMemory = compiled.generatedMemory
      // Checked as when compiling: results must not depend on the cache.
      if let limit = options.memoryLimit {
        try requireMemory([generatedMemory.peakByteCount], limit: limit)
      }
      self.inputNames = compiled.inputNames
      self.outputNames = compiled.outputNames
    } else {
      try lowered.inferTypes()
      _ = try GradientExpansion.run(&lowered)
      self.inputNames = lowered.inputs.map { graph[$0].name }
      self.outputNames = lowered.outputs.map { graph[$0].name }
      if options.optimizes {
        generatedMemory = try Lowering.run(
          &lowered, memoryLimit: options.memoryLimit, backend: options.backend)
        writer?.moveConstants(of: &lowered)
      }
    }
    self.wasCompiled = compiled != nil
    self.options = options
    enclosing?.keep(Array(lowered.constants.values))
    let packedConstants =
      enclosing
      ?? PackedConstants(
        of: Array(lowered.constants.values), items: compiled?.packedConstants ?? [],
        threadCount: options.threadCount)
    self.packedConstants = packedConstants
    self.parameters = try parameters ?? ParameterStore(lowered)
    self.operations = try lowered.nodes.map { node in
      try withPlace(lowered.label(node)) { try options.backend.makeOperator(node) }
    }
    self.graph = lowered
    var bodies: [Int: NodeBodies] = [:]
    for index in lowered.nodes.indices where !lowered.nodes[index].bodies.isEmpty {
      try withPlace(lowered.label(lowered.nodes[index])) {
        let lifted = try NodeBodies(
          ofNodeAt: index, in: &lowered, options: options, packedConstants: packedConstants)
        generatedMemory.add(lifted.generatedMemory)
        bodies[index] = lifted
      }
    }
    self.bodies = bodies
    self.generatedMemory = generatedMemory
    self.plannedGraph = lowered
  }

  /// The model in the form for later starts, once a run has packed the constants.
  ///
  /// - Returns: `nil` if there is nothing new, or the executable is not optimized, or trains
  package func compiledForm() throws -> CompiledModel? {
    // Bodies have executables of their own, which the file does not hold.
    guard options.optimizes, !wasCompiled || packedConstants.hasAdditions,
      graph.parameters.isEmpty, bodies.isEmpty
    else { return nil }
    return CompiledModel(
      graph: graph, inputNames: inputNames, outputNames: outputNames,
      packedConstants: try packedConstants.soundItems(), generatedMemory: generatedMemory)
  }

  /// The plan for these nodes and values: another session's, or a new one.
  ///
  /// Plans live as long as a session uses them. One is made at a time, so that concurrent sessions
  /// share a plan for the same request.
  ///
  /// - Parameters:
  ///   - nodes: by index in the graph; `nil` for all
  ///   - contents: the inputs whose contents determine shapes
  ///   - shared: the inputs in whose memory outputs are, by output
  ///   - memory: the budget for making a plan
  func plan(
    nodes: [Int]?, ids: [ValueID], values: [RuntimeValue], contents: Set<ValueID>,
    shared: [Int: Int], memory: MemoryBudget
  ) throws -> Plan {
    try plans.withLock { plans in
      plans.removeAll { $0.plan == nil }
      for case let plan? in plans.lazy.map(\.plan)
      where plan.request.asks(for: ids, contents: contents)
        && plan.request.fits(values, nodes: nodes, shared: shared)
      {
        return plan
      }
      let plan = try planner(memory: memory).plan(
        PlanRequest(
          nodes: nodes, ids: ids, values: values, contents: contents, shared: shared, in: graph))
      plans.append(SharedPlan(plan: plan))
      return plan
    }
  }

  /// - Parameters:
  ///   - memory: the budget of plans
  ///   - packedConstants: the packed constants; by default those of all sessions
  func planner(memory: MemoryBudget, packedConstants: PackedConstants? = nil) -> Planner {
    Planner(
      graph: plannedGraph, operations: operations, bodies: bodies,
      packedConstants: packedConstants ?? self.packedConstants,
      precision: options.precision, tuning: options.tuning, threadCount: options.threadCount,
      memory: memory)
  }

  /// The names of the parameters.
  package var parameterNames: [ValueID: String] {
    Dictionary(uniqueKeysWithValues: graph.parameters.keys.map { ($0, graph[$0].name) })
  }

  /// The model's declared type of an input.
  package func declaredType(ofInput position: Int) -> ValueType? {
    graph[graph.inputs[position]].type
  }
}
