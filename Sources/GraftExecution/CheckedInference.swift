import GraftFiles
import GraftGraph
import GraftTensor

extension Operator {
  /// Infers the types of a node's outputs, and refuses outputs that no tensor could be.
  ///
  /// All inference goes through here: a model may name any extents, and what reads a shape later
  /// relies on its product fitting into an `Int`.
  package func inferTypes(_ context: inout InferenceContext) throws {
    do {
      try infer(&context)
    } catch let stop as InferenceStop {
      // What was said before the stop is used all the same.
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

  /// Bytes that the outputs of known shape take in memory.
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
