import GraftExecution
import GraftFiles
import GraftGraph
import GraftOperators
import GraftPasses
import GraftTensor
import Synchronization

/// A graph made ready to run: lowered, its operators decoded. All sessions share its packed constants
/// and its plans.
package final class Executable: Sendable {
  package struct Options: Sendable {
    /// Whether fusing and folding passes run; without them every node runs as the model has it.
    package var optimizes = true
    /// What computes the graph.
    package var backend = Backend.cpu
    /// Whether kernels may round to a narrower type than the model's.
    package var precision = Precision.float
    /// Which kernels were measured to be fast.
    package var tuning = TuningRecord()
    /// Threads that kernels may use; the bits do not depend on it.
    package var threadCount = ThreadPool.defaultThreadCount
    /// Bytes that a session may take for inputs, intermediate values and outputs together, with constants that the
    /// model does not bring but generates; `nil` for what is free. It decides whether a run fails, never what comes out.
    package var memoryLimit: Int?
    /// Says how many bytes are free, where there is no limit.
    package var freeByteCount: @Sendable () -> Int = { AvailableMemory.recentByteCount() }

    /// Whether a session gives the pages of mapped constants back as soon as a step has read them: right for programs
    /// that run the model once, which then never hold all of its weights at once.
    package var releasesConstants = false

    package init() {}
  }

  package let graph: Graph
  package let options: Options
  package let inputNames: [String]
  package let outputNames: [String]
  package let packedConstants: PackedConstants
  package let parameters: ParameterStore
  let operations: [any Operator]
  /// What constants take that nodes generated.
  let generatedMemory: Lowering.GeneratedMemory

  private struct SharedPlan {
    weak var plan: Plan?
  }

  /// The plans that sessions keep.
  private let plans = Mutex<[SharedPlan]>([])
  /// Whether the executable began with a compiled form.
  private let wasCompiled: Bool

  /// - Parameters:
  ///   - compiled: The model's compiled form, if it was kept. Its graph must be `graph`.
  ///   - writer: Takes the large constants that lowering makes out of memory.
  ///   - parameters: The store of another executable, which has the graph's parameters under the same ids; what one
  ///     changes, the other sees. By default the executable has a store of its own.
  /// - Throws: `GraftError` that lists all operators Graft lacks, or names the node that is wrong.
  package init(
    _ graph: Graph, options: Options = Options(), compiled: CompiledModel? = nil,
    writer: CompiledModelWriter? = nil, parameters: ParameterStore? = nil
  ) throws {
    try graph.requireSupportedOperators { options.backend.type(of: $0) != nil }
    let updated = Set(graph.updates.map(\.parameter))
    guard updated.count == graph.updates.count, updated.isSubset(of: graph.parameters.keys) else {
      throw GraftError(.software, "an update of no parameter, or a second one of the same")
    }
    var lowered = graph
    let compiled = options.optimizes ? compiled : nil
    var generatedMemory = Lowering.GeneratedMemory()
    if let compiled {
      generatedMemory = compiled.generatedMemory
      // As when the model was compiled: the answer must not depend on what is kept.
      if let limit = options.memoryLimit {
        try requireMemory([generatedMemory.peakByteCount], limit: limit)
      }
      self.inputNames = compiled.inputNames
      self.outputNames = compiled.outputNames
    } else {
      try lowered.inferTypes()
      self.inputNames = lowered.inputs.map { graph[$0].name }
      self.outputNames = lowered.outputs.map { graph[$0].name }
      if options.optimizes {
        generatedMemory = try Lowering.run(
          &lowered, memoryLimit: options.memoryLimit, backend: options.backend)
        writer?.moveConstants(of: &lowered)
      }
    }
    self.wasCompiled = compiled != nil
    self.generatedMemory = generatedMemory
    self.graph = lowered
    self.options = options
    self.packedConstants = PackedConstants(
      of: Array(lowered.constants.values), items: compiled?.packedConstants ?? [],
      threadCount: options.threadCount)
    self.parameters = try parameters ?? ParameterStore(lowered)
    self.operations = try lowered.nodes.map { node in
      try withPlace(lowered.label(node)) { try options.backend.makeOperator(node) }
    }
  }

  /// The model as later starts can begin with it, once a run has packed the constants.
  ///
  /// - Returns: `nil` if the executable began with all of that, is not optimized, or trains.
  package func compiledForm() throws -> CompiledModel? {
    guard options.optimizes, !wasCompiled || packedConstants.hasNews, graph.parameters.isEmpty
    else { return nil }
    return CompiledModel(
      graph: graph, inputNames: inputNames, outputNames: outputNames,
      packedConstants: try packedConstants.soundItems(), generatedMemory: generatedMemory)
  }

  /// The plan for these nodes and values: that of another session, or a new one.
  ///
  /// Plans live as long as a session keeps them. One is made at a time, so that sessions which ask
  /// for the same one at once share it.
  ///
  /// - Parameters:
  ///   - nodes: by place in the graph; `nil` for all
  ///   - contents: the inputs whose contents decide shapes
  ///   - memory: what making a plan may take
  func plan(
    nodes: [Int]?, ids: [ValueID], values: [RuntimeValue], contents: Set<ValueID>,
    memory: MemoryBudget
  ) throws -> Plan {
    try plans.withLock { plans in
      plans.removeAll { $0.plan == nil }
      for case let plan? in plans.lazy.map(\.plan) where plan.request.fits(values, nodes: nodes) {
        return plan
      }
      let plan = try planner(memory: memory).plan(
        PlanRequest(nodes: nodes, ids: ids, values: values, contents: contents))
      plans.append(SharedPlan(plan: plan))
      return plan
    }
  }

  /// - Parameters:
  ///   - memory: what plans may take
  ///   - packedConstants: where kernels have the forms of their constants; by default those of all sessions
  func planner(memory: MemoryBudget, packedConstants: PackedConstants? = nil) -> Planner {
    Planner(
      graph: graph, operations: operations,
      packedConstants: packedConstants ?? self.packedConstants,
      precision: options.precision, tuning: options.tuning, threadCount: options.threadCount,
      memory: memory)
  }

  /// The names of the parameters.
  package var parameterNames: [ValueID: String] {
    Dictionary(uniqueKeysWithValues: graph.parameters.keys.map { ($0, graph[$0].name) })
  }

  /// The type that the model declares for an input.
  package func declaredType(ofInput position: Int) -> ValueType? {
    graph[graph.inputs[position]].type
  }
}
