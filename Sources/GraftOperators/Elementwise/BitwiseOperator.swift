import GraftExecution
import GraftGraph

/// An operator that combines the bits of integers of one type.
protocol BitwiseOperator: BinaryOperator, IntegerOperation {}

extension BitwiseOperator {
  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .integers)
    try context.requireSameElementType([0, 1])
    try context.setBroadcastOutput(try context.elementType(0), inputs: [0, 1])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.integerKernel(Self.self)
  }
}
