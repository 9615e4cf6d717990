import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The steps for known shapes, with prepared kernels, and the place of each value.
///
/// Immutable and shared; a session binds it to memory.
package final class Plan: Sendable {
  /// The place of a value while the plan runs.
  package enum Place: Sendable, Hashable {
    /// An offset in the arena, in bytes.
    case arena(Int)
    /// An index into ``Plan/constants``.
    case constant(Int)
    /// An index into the inputs of ``Plan/request``.
    case input(Int)
    /// An index into the graph's outputs.
    case output(Int)
    case parameter(ValueID)
    /// Made by a dynamic step, outside the arena.
    case heap(ValueID)
  }

  /// A value of this plan as a tensor: its place and type.
  package struct Operand: Sendable {
    package var place: Place
    package var elementType: ElementType
    package var shape: Shape
  }

  package struct Step: Sendable {
    /// The node's label in messages.
    package var label: String
    package var operatorType: String
    package var kernel: PreparedKernel
    package var inputs: [Operand?]
    package var outputs: [Operand?]
    /// The values that a dynamic step makes; `nil` for unused ones.
    package var dynamicOutputs: [ValueID?]
    /// Values outside of the arena that no later step reads.
    package var lastReads: [ValueID] = []
    package var scratchOffset: Int
    package var workerScratchOffset: Int
    /// Where the memory of its bodies starts in its scratch memory.
    package var bodiesOffset = 0
  }

  /// The part of the graph that cannot be planned before this plan has run.
  package struct Continuation: Sendable {
    /// The remaining nodes, by index in the graph.
    package var nodes: [Int]
    /// The values of this plan that they read.
    package var values: [ValueID]
    /// Those of the values whose contents determine shapes.
    package var contents: Set<ValueID>
  }

  let request: PlanRequest
  package let steps: [Step]
  package let constants: [Tensor]
  /// An upper bound of the bytes of constants computed at plan time.
  package let foldedByteCount: Int
  package let arenaByteCount: Int
  /// The distance in bytes between two workers' scratch memories.
  package let workerScratchStride: Int
  /// The graph's outputs that this plan computes, by index.
  package let outputs: [Int: Operand]
  /// The places of all values that outlive the plan.
  package let operands: [ValueID: Operand]
  package let continuation: Continuation?
  /// The outputs that steps write over inputs.
  let outputsInPlace: Set<Int>
  /// Whether steps take memory of their own, as for values whose sizes are known after running.
  let hasDynamicSteps: Bool

  init(
    request: PlanRequest, steps: [Step], constants: [Tensor], foldedByteCount: Int,
    arenaByteCount: Int, workerScratchStride: Int, outputs: [Int: Operand],
    operands: [ValueID: Operand],
    continuation: Continuation?, outputsInPlace: Set<Int>
  ) {
    self.request = request
    self.steps = steps
    hasDynamicSteps = steps.contains { $0.kernel.needsMemory }
    self.constants = constants
    self.foldedByteCount = foldedByteCount
    self.arenaByteCount = arenaByteCount
    self.workerScratchStride = workerScratchStride
    self.outputs = outputs
    self.operands = operands
    self.continuation = continuation
    self.outputsInPlace = outputsInPlace
  }

  /// The bytes of the plan.
  var byteCount: Int {
    foldedByteCount + steps.count * MemoryLayout<Step>.stride + request.byteCount
  }

  /// - Parameters:
  ///   - reusableByteCount: the size of an existing arena
  ///   - outputsAreThere: whether the caller has already allocated the outputs
  /// - Throws: `GraftError` if running the plan exceeds the remaining memory
  func requireMemory(
    _ memory: MemoryBudget, reusableByteCount: Int = 0, outputsAreThere: Bool = false
  ) throws {
    try withPlace("the model's intermediate values and outputs") {
      let outputByteCounts = try outputs.values.map {
        try Tensor.byteCount($0.elementType, $0.shape)
      }
      let arena = arenaByteCount > reusableByteCount ? arenaByteCount : 0
      try memory.require([arena, foldedByteCount] + (outputsAreThere ? [] : outputByteCounts))
    }
  }
}
