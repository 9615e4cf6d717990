import GraftExecution
import GraftGraph
import GraftTensor

/// What to run for known shapes: steps with prepared kernels, and where each value lies.
///
/// Immutable and shared; a session binds it to memory.
package final class Plan: Sendable {
  /// Where a value lies while the plan runs.
  package enum Place: Sendable, Hashable {
    /// Bytes from the start of the arena.
    case arena(Int)
    /// By place in ``Plan/constants``.
    case constant(Int)
    /// By place in the inputs of ``Plan/request``.
    case input(Int)
    /// By place in the graph's outputs.
    case output(Int)
    case parameter(ValueID)
    /// Made by a dynamic step, outside of the arena.
    case heap(ValueID)
  }

  /// A value of this plan as a tensor: its place and what it is.
  package struct Operand: Sendable {
    package var place: Place
    package var elementType: ElementType
    package var shape: Shape
  }

  package struct Step: Sendable {
    /// The node as messages name it, and its operator.
    package var label: String
    package var operatorType: String
    package var kernel: PreparedKernel
    package var inputs: [Operand?]
    package var outputs: [Operand?]
    /// The values that a dynamic step makes; `nil` for those not wanted.
    package var dynamicOutputs: [ValueID?]
    package var scratchOffset: Int
    package var workerScratchOffset: Int
  }

  /// What cannot be planned before this plan has run.
  package struct Continuation: Sendable {
    /// The nodes left, by place in the graph.
    package var nodes: [Int]
    /// Values of this plan that they read.
    package var values: [ValueID]
    /// Those among them whose contents decide shapes.
    package var contents: Set<ValueID>
  }

  let request: PlanRequest
  package let steps: [Step]
  package let constants: [Tensor]
  /// Bytes of those constants that were computed when the plan was made, or more.
  package let foldedByteCount: Int
  package let arenaByteCount: Int
  /// Bytes from one worker's scratch memory to the next.
  package let workerScratchStride: Int
  /// The graph's outputs that this plan computes into memory: place in the graph's outputs to type.
  package let outputs: [Int: Operand]
  /// Where every value that outlives the plan lies.
  package let operands: [ValueID: Operand]
  package let continuation: Continuation?
  /// Whether steps make values whose sizes only running tells.
  let hasDynamicSteps: Bool

  init(
    request: PlanRequest, steps: [Step], constants: [Tensor], foldedByteCount: Int,
    arenaByteCount: Int, workerScratchStride: Int, outputs: [Int: Operand],
    operands: [ValueID: Operand],
    continuation: Continuation?
  ) {
    self.request = request
    self.steps = steps
    hasDynamicSteps = steps.contains { $0.kernel.isDynamic }
    self.constants = constants
    self.foldedByteCount = foldedByteCount
    self.arenaByteCount = arenaByteCount
    self.workerScratchStride = workerScratchStride
    self.outputs = outputs
    self.operands = operands
    self.continuation = continuation
  }

  /// Bytes that the plan holds on to.
  var byteCount: Int {
    foldedByteCount + steps.count * MemoryLayout<Step>.stride + request.byteCount
  }

  /// - Parameters:
  ///   - reusableByteCount: an arena of this size is there already
  ///   - outputsAreThere: whether the caller has the memory for outputs already
  /// - Throws: `GraftError` if running the plan takes more memory than is left
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
