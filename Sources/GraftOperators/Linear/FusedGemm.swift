import GraftFiles
import GraftExecution
import GraftGraph
import GraftTensor

/// Gemm fused with the activation after it.
///
/// Inputs and attributes are those of Gemm, and `activation` and `activation_params`; see
/// ``FusedActivation``. Specification: <https://onnx.ai/onnx/operators/onnx__Gemm.html>
struct FusedGemm: Operator {
  static let schema = OperatorSchema("FusedGemm", domain: "graft", since: [1], inputs: 2...3)
  static let acceptsUnalignedInputs = true
  static let flushesSubnormals = true

  let attributes: GemmAttributes
  let activation: FusedActivation

  init(_ attributes: AttributeReader) throws {
    self.attributes = try GemmAttributes(attributes)
    activation = try FusedActivation(attributes)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try attributes.infer(&context)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try attributes.prepare(context, activation: activation)
  }

  static var examples: [OperatorExample] {
    let inputs: [Tensor?] = [
      .floats([1, -2, 3, 4], [2, 2]), .floats([1, 0, 2, -1, 1, 3], [2, 3]),
      .floats([1, 2, -3], [3]),
    ]
    return [
      OperatorExample(
        "Relu", attributes: ["activation": .string("Relu")], inputs: inputs,
        outputs: [.floats([4, 0, 0, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Clip",
        attributes: ["activation": .string("Clip"), "activation_params": .floats([-2, 6])],
        inputs: inputs, outputs: [.floats([4, 0, -2, 0, 6, 6], [2, 3])]),
      OperatorExample(
        "LeakyRelu",
        attributes: ["activation": .string("LeakyRelu"), "activation_params": .floats([0.5])],
        inputs: inputs, outputs: [.floats([4, 0, -3.5, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Sigmoid", attributes: ["activation": .string("Sigmoid")], inputs: inputs,
        outputs: [
          .floats([0.98201379, 0.5, 0.00091105, 0.5, 0.99752738, 0.99999969], [2, 3])
        ]),
      OperatorExample(
        "HardSwish", attributes: ["activation": .string("HardSwish")], inputs: inputs,
        outputs: [.floats([4, 0, 0, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Swish", attributes: ["activation": .string("Swish")], inputs: inputs,
        outputs: [.floats([3.92805516, 0, -0.00637736, 0, 5.98516428, 14.99999541], [2, 3])]),
      OperatorExample(
        "Tanh", attributes: ["activation": .string("Tanh"), "alpha": .float(0.25)], inputs: inputs,
        outputs: [
          .floats(
            [0.94137554, 0.90514825, -0.99932930, 0.63514895, 0.99505475, 0.90514825], [2, 3])
        ]),
    ]
  }
}
