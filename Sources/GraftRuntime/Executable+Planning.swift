import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension Executable {
  /// Bytes that a run takes for intermediate values, outputs, and constants in the form that kernels want, without taking
  /// them.
  ///
  /// - Parameter batch: the extent of the inputs where it is open
  package func plannedByteCount(batch: Int) throws -> Int {
    var given: [ValueID: Planner.Given] = [:]
    for id in graph.inputs {
      guard let type = graph[id].type?.tensor, let shape = type.shape else {
        throw GraftError.unsupported("an input of unknown rank")
      }
      let known = shape.map { Dimension.known($0.known ?? batch) }
      given[id] = Planner.Given(type: .tensor(TensorType(type.elementType, known)), contents: nil)
    }
    let packed = PackedConstants(
      of: Array(graph.constants.values), threadCount: options.threadCount, isWritten: false)
    let plan = try planner(memory: MemoryBudget(limit: .max), packedConstants: packed).plan(
      nodes: Array(graph.nodes.indices), given: given, inputs: graph.inputs, isFirst: true)
    return try plan.outputs.values.reduce(plan.arenaByteCount + packed.byteCount) { sum, output in
      sum + (try Tensor.byteCount(output.elementType, output.shape))
    }
  }
}
