import GraftExecution
import GraftGraph
import GraftTensor

/// An operator that combines Booleans.
protocol LogicalOperator: BinaryOperator {
  static func apply(_ left: Bool, _ right: Bool) -> Bool
}

extension LogicalOperator {
  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.bool])
    try context.require(1, [.bool])
    try context.setBroadcastOutput(.bool, inputs: [0, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.binaryKernel(BinaryRows(TruthValues<Self>.self))
  }
}

/// Bytes from a file may be other than 0 or 1, so they are read as numbers; all but 0 are true.
private enum TruthValues<Operation: LogicalOperator>: ElementOperation {
  @inline(__always)
  static func apply(_ left: UInt8, _ right: UInt8) -> UInt8 {
    Operation.apply(left != 0, right != 0) ? 1 : 0
  }
}
