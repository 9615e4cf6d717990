import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

extension Executable {
  /// The bytes that a run needs for intermediate values, outputs and packed constants, without
  /// allocating them.
  ///
  /// - Parameter batch: the extent of inputs where it is unknown
  package func plannedByteCount(batch: Int) throws -> Int {
    let inputs = try graph.inputs.map { id in
      guard let type = graph[id].type?.tensor, let shape = type.shape else {
        throw GraftError.unsupported("an input has an unknown rank")
      }
      let known = shape.map { Dimension.known($0.known ?? batch) }
      return (id: id, type: ValueType.tensor(TensorType(type.elementType, known)))
    }
    let packed = PackedConstants(
      of: constantsWithBodies, threadCount: options.threadCount, isWritten: false)
    let memory = MemoryBudget(limit: .max)
    let plan = try planner(memory: memory, packedConstants: packed).plan(PlanRequest(inputs))
    try plan.requireMemory(memory)
    return try plan.outputs.values.reduce(plan.arenaByteCount + packed.byteCount) { sum, output in
      sum + (try Tensor.byteCount(output.elementType, output.shape))
    }
  }

  /// The constants of the graph and of all bodies.
  private var constantsWithBodies: [Tensor] {
    let inBodies = bodies.values.flatMap { node in
      node.bodies.values.flatMap { (try? $0.executable.constantsWithBodies) ?? [] }
    }
    return Array(graph.constants.values) + inBodies
  }
}
