import GraftFiles
import GraftGraph
import GraftTensor

extension Operator {
  /// Infers the types of a node's outputs, and refuses shapes that no tensor can have.
  ///
  /// All inference uses this: a model may contain any extents, and later readers of a shape rely on
  /// its product fitting in an `Int`.
  package func inferTypes(_ context: inout InferenceContext) throws {
    do {
      try infer(&context)
    } catch let stop as InferenceStop {
      // Results from before the stop are still used.
      try context.checkOutputShapes()
      throw stop
    }
    try context.checkOutputShapes()
  }
}

extension InferenceContext {
  fileprivate func checkOutputShapes() throws {
    for (index, type) in outputTypes.enumerated() {
      guard let shape = type?.tensor?.shape else { continue }
      try withPlace("output \(index)") {
        _ = try shape.compactMap(\.known).checkedElementCount()
      }
    }
  }

  /// The memory in bytes of the outputs with known shapes.
  package func outputByteCount() throws -> Int {
    var total = 0
    for case let tensor? in outputTypes.map({ $0?.tensor }) {
      guard let shape = tensor.shape?.knownShape else { continue }
      let (sum, overflow) = total.addingReportingOverflow(
        try Tensor.memoryByteCount(tensor.elementType, shape))
      guard !overflow else { throw GraftError.badData("the outputs are too large") }
      total = sum
    }
    return total
  }
}
