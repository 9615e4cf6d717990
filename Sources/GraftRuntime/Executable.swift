import Foundation
import GraftPasses

/// A graph made ready to run: lowered, its operators decoded, its packed constants shared by all sessions.
package final class Executable: Sendable {
  package struct Options: Sendable {
    /// Whether fusing and folding passes run; without them every node runs as the model has it.
    package var optimizes = true
    /// Threads that kernels may use; the bits do not depend on it.
    package var threadCount = ThreadPool.defaultThreadCount
    /// Bytes that intermediate values may take.
    package var memoryLimit = Int(clamping: ProcessInfo.processInfo.physicalMemory)

    package init() {}
  }

  package let graph: Graph
  package let options: Options
  package let inputNames: [String]
  package let outputNames: [String]
  package let packedConstants = PackedConstants()
  package let parameters: ParameterStore
  let operations: [any Operator]

  /// - Throws: `GraftError` that lists all operators Graft lacks, or names the node that is wrong.
  package init(_ graph: Graph, options: Options = Options()) throws {
    try graph.requireSupportedOperators()
    var lowered = graph
    try lowered.inferTypes()
    self.inputNames = lowered.inputs.map { graph[$0].name }
    self.outputNames = lowered.outputs.map { graph[$0].name }
    if options.optimizes { try Lowering.run(&lowered) }
    self.graph = lowered
    self.options = options
    self.parameters = try ParameterStore(lowered)
    self.operations = try lowered.nodes.map { node in
      try withPlace(lowered.label(node)) { try OperatorCatalog.make(node) }
    }
  }

  var planner: Planner {
    Planner(
      graph: graph, operations: operations, packedConstants: packedConstants,
      threadCount: options.threadCount, memoryLimit: options.memoryLimit)
  }

  /// The type that the model declares for an input.
  package func declaredType(ofInput position: Int) -> ValueType? {
    graph[graph.inputs[position]].type
  }
}
