import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Gemm fused with the activation after it.
///
/// Inputs and attributes are those of Gemm, and `activation` and `activation_params`; see
/// ``FusedActivation``. Specification: <https://onnx.ai/onnx/operators/onnx__Gemm.html>
package struct FusedGemm: Operator {
  package static let schema = OperatorSchema(
    "FusedGemm", domain: "graft", since: [1], inputs: 2...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static var fusedForm: OperatorSchema? { FusedGemm.schema }

  let attributes: GemmAttributes
  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try GemmAttributes(attributes)
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try attributes.infer(&context)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try attributes.prepare(context, activation: activation)
  }

  package static var examples: [OperatorExample] {
    let inputs: [Tensor?] = [
      .floats([1, -2, 3, 4], [2, 2]), .floats([1, 0, 2, -1, 1, 3], [2, 3]),
      .floats([1, 2, -3], [3]),
    ]
    return [
      OperatorExample(
        "Relu", attributes: ["activation": .string(Relu.schema.name)], inputs: inputs,
        outputs: [.floats([4, 0, 0, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Clip",
        attributes: [
          "activation": .string(Clip.schema.name), "activation_params": .floats([-2, 6]),
        ],
        inputs: inputs, outputs: [.floats([4, 0, -2, 0, 6, 6], [2, 3])]),
      OperatorExample(
        "LeakyRelu",
        attributes: [
          "activation": .string(LeakyRelu.schema.name), "activation_params": .floats([0.5]),
        ],
        inputs: inputs, outputs: [.floats([4, 0, -3.5, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Sigmoid", attributes: ["activation": .string(Sigmoid.schema.name)], inputs: inputs,
        outputs: [
          .floats([0.98201379, 0.5, 0.00091105, 0.5, 0.99752738, 0.99999969], [2, 3])
        ]),
      OperatorExample(
        "HardSwish", attributes: ["activation": .string(HardSwish.schema.name)], inputs: inputs,
        outputs: [.floats([4, 0, 0, 0, 6, 15], [2, 3])]),
      OperatorExample(
        "Swish", attributes: ["activation": .string(Swish.schema.name)], inputs: inputs,
        outputs: [.floats([3.92805516, 0, -0.00637736, 0, 5.98516428, 14.99999541], [2, 3])]),
      OperatorExample(
        "Tanh", attributes: ["activation": .string(Tanh.schema.name), "alpha": .float(0.25)],
        inputs: inputs,
        outputs: [
          .floats(
            [0.94137554, 0.90514825, -0.99932930, 0.63514895, 0.99505475, 0.90514825], [2, 3])
        ]),
    ]
  }
}
