import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// MatMul with a bias for each column, and a residual of the output's shape that is added to it.
///
/// Inputs are those of ``FusedMatMul``, of which the bias may be missing, and the residual.
package struct ResidualMatMul: Operator {
  package static let schema = OperatorSchema(
    "ResidualMatMul", domain: "graft", since: [1], inputs: 2...4)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    let product = try FusedMatMul(AttributeReader([:]))
    try product.infer(&context)
    guard context.hasInput(3) else { throw GraftError.badData("input 3 is missing") }
    try context.requireSameElementType([0, 3])
    guard let shape = context.outputTypes[0]?.tensor?.shape else { return }
    try context.requireShape(3, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try FusedMatMul.kernel(context) { product in product.residual = 3 }
  }

  package static var examples: [OperatorExample] {
    let left = Tensor.floats([1, -2, 3, 4, 0, 1, -1, 0.5], [2, 2, 2])
    let residual = Tensor.floats([1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6], [2, 2, 3])
    return [
      OperatorExample(
        "with a bias",
        inputs: [
          left, .floats([1, 0, 2, -1, 1, 3], [2, 3]), .floats([1, 2, -3], [3]), residual,
        ],
        outputs: [.floats([5, 2, -4, 4, 11, 21, -1, 1, -3, -4.5, -2.5, -9.5], [2, 2, 3])]),
      OperatorExample(
        "without a bias, matrices on both sides",
        inputs: [
          left, .floats([1, 0, 2, -1, 1, 3, 1, 2], [2, 2, 2]), nil,
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]),
        ],
        outputs: [.floats([-2, 4, 14, 0, 6, 8, 6.5, 6], [2, 2, 2])]),
      OperatorExample(
        "one column",
        inputs: [left, .floats([2, 1], [2, 1]), nil, .floats([1, 2, 3, 4], [2, 2, 1])],
        outputs: [.floats([1, 12, 4, 2.5], [2, 2, 1])]),
    ]
  }
}
