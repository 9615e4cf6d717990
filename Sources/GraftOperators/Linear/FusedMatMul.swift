import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// MatMul with a bias for each column, fused with the activation after it.
///
/// Inputs are those of MatMul, and a bias of as many elements as the output has columns, or one.
/// Attributes are `activation` and `activation_params`; see ``FusedActivation``. Specification:
/// <https://onnx.ai/onnx/operators/onnx__MatMul.html>
package struct FusedMatMul: Operator {
  package static let schema = OperatorSchema(
    "FusedMatMul", domain: "graft", since: [1], inputs: 2...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static var fusedForm: OperatorSchema? { FusedMatMul.schema }

  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try MatMul(AttributeReader([:])).infer(&context)
    guard context.hasInput(2) else { return }
    let bias = try context.shape(2)
    let columns = try context.shape(1).count > 1 ? context.shape(1).last ?? 1 : 1
    guard bias.count == 1 else {
      throw GraftError.badData("input 2 has shape \(bias); expected rank 1")
    }
    guard let count = bias[0].known, let columns = columns.known else { return }
    guard count == 1 || count == columns else {
      throw GraftError.badData("input 2 has \(count) elements for \(columns) columns")
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try FusedMatMul.kernel(context) { product in product.activation = activation }
  }

  /// The kernel of a product with a bias, input 2, if there is one.
  ///
  /// - Parameter complete: says what else becomes of the product
  static func kernel(
    _ context: PrepareContext, _ complete: (inout MatrixProduct) -> Void
  ) throws -> PreparedKernel {
    let elementType = try context.input(0).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float) { try kernel($0, complete) }
    }
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    var product = MatMul.product(try context.input(0).shape, try context.input(1).shape)
    complete(&product)
    if context.hasInput(2) {
      product.addend = MatrixProduct.Addend(
        input: 2, shape: try context.input(2).shape, columns: product.columns)
    }
    return try product.kernel(elementType, context)
  }

  package static var examples: [OperatorExample] {
    let left = Tensor.floats([1, -2, 3, 4, 0, 1, -1, 0.5], [2, 2, 2])
    let right = Tensor.floats([1, 0, 2, -1, 1, 3], [2, 3])
    return [
      OperatorExample(
        "bias and Relu", attributes: ["activation": .string(Relu.schema.name)],
        inputs: [left, right, .floats([1, 2, -3], [3])],
        outputs: [.floats([4, 0, 0, 0, 6, 15, 0, 3, 0, 0, 2.5, 0], [2, 2, 3])]),
      OperatorExample(
        "bias, matrices on both sides",
        inputs: [
          left, .floats([1, 0, 2, -1, 1, 3, 1, 2], [2, 2, 2]), .floats([0.5, -1], [2]),
        ],
        outputs: [.floats([-2.5, 1, 11.5, -5, 1.5, 1, 0, -3], [2, 2, 2])]),
      OperatorExample(
        "Gelu", attributes: ["activation": .string(Gelu.schema.name)],
        inputs: [left, right],
        outputs: [
          .floats(
            [
              2.99595031, -0.0455002639, -0.000126684967, -0.158655254, 3.99987332, 18,
              -0.158655254, 0.841344746, 2.99595031, -0.100210802, 0.345731231, -0.154268769,
            ], [2, 2, 3])
        ]),
      OperatorExample(
        "Gelu by tanh, one bias",
        attributes: [
          "activation": .string(Gelu.schema.name), "activation_params": .floats([1]),
        ],
        inputs: [left, right, .floats([-1], [1])],
        outputs: [
          .floats(
            [
              1.95459769, -0.00363739208, -2.2917962e-07, -0.0454023059, 2.99636261, 17,
              -0.0454023059, 0, 1.95459769, -0.0150842661, -0.15428599, -0.100428423,
            ], [2, 2, 3])
        ]),
      OperatorExample(
        "one row and one column",
        inputs: [.floats([1, 2], [2]), .floats([3, 4], [2]), .floats([5], [1])],
        outputs: [.floats([16], [])]),
      OperatorExample(
        "nothing to sum",
        inputs: [.floats([], [2, 0]), .floats([], [0, 2]), .floats([1, 2], [2])],
        outputs: [.floats([1, 2, 1, 2], [2, 2])]),
    ]
  }
}
