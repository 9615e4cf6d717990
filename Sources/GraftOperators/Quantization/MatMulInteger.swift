import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The matrix product of integers of 8 bits: int32 sums of (A - zero point) * (B - zero point).
///
/// Inputs: A, B, the zero points of A (one, or one per row) and of B (one, or one per column).
/// Specification: <https://onnx.ai/onnx/operators/onnx__MatMulInteger.html>
package struct MatMulInteger: Operator {
  package static let schema = OperatorSchema("MatMulInteger", since: [10], inputs: 2...4)

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .bytes)
    try context.require(1, .bytes)
    try context.requireSameElementType([0, 2])
    try context.requireSameElementType([1, 3])
    context.setOutput(0, .int32, nil)
    context.setOutput(0, .int32, try context.productShape(0, 1))
    if context.hasInput(2) { try context.requireOneOrEachRow(2, of: 0) }
    if context.hasInput(3) { try context.requireOneOrEachColumn(3, of: 1) }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    return try IntegerMatrixProduct(
      MatMul.product(try context.input(0).shape, try context.input(1).shape),
      .init(left: 0, leftZeroPoints: 2, right: 1, rightZeroPoints: 3), .sums, context
    ).kernel()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one zero point",
        inputs: [
          .example([11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0] as [UInt8], [4, 3]),
          .example([1, 4, 2, 5, 3, 6] as [UInt8], [3, 2]), .example([12] as [UInt8], [1]),
          .example([0] as [UInt8], [1]),
        ],
        outputs: [
          .example([-38, -83, -44, -98, -50, -113, -56, -128] as [Int32], [4, 2])
        ]),
      OperatorExample(
        "zero points by row and column",
        inputs: [
          .example([1, -2, 3, 4] as [Int8], [2, 2]),
          .example([1, 2, 3, 4, 5, 6] as [UInt8], [2, 3]), .example([1, -1] as [Int8], [2]),
          .example([1, 2, 5] as [UInt8], [3]),
        ],
        outputs: [.example([-9, -9, -3, 15, 15, -3] as [Int32], [2, 3])]),
      OperatorExample(
        "a vector and matrices",
        inputs: [
          .example([1, 2] as [UInt8], [2]), .example([1, -2, 3, -4] as [Int8], [2, 2, 1]),
        ],
        outputs: [.example([-3, -5] as [Int32], [2, 1])]),
    ]
  }
}
