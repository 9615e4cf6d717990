import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// activation(Conv(X, W, B) + residual): a convolution fused with the operators after it.
///
/// Inputs: image [N, C, …], weights [M, C / group, …], bias [M] (optional), residual of the
/// output's shape (optional). Attributes are those of Conv, and `activation` and
/// `activation_params`; see ``FusedActivation``. Specification:
/// <https://onnx.ai/onnx/operators/onnx__Conv.html>
package struct FusedConv: Operator {
  package static let schema = OperatorSchema(
    "FusedConv", domain: "graft", since: [1], inputs: 2...4)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static var fusedForm: OperatorSchema? { FusedConv.schema }

  let attributes: ConvolutionAttributes
  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try attributes.inferConvolution(&context)
    guard context.hasInput(3) else { return }
    try context.requireSameElementType([0, 3])
    guard let output = context.outputTypes[0]?.tensor?.shape,
      let residual = try context.input(3).shape
    else { return }
    guard output.count == residual.count,
      zip(output, residual).allSatisfy({ $0.known == nil || $1.known == nil || $0 == $1 })
    else {
      throw GraftError.badData("the residual of shape \(residual) is not of the output's \(output)")
    }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try attributes.prepareConvolution(
      context, residual: context.hasInput(3) ? 3 : nil, activation: activation)
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.floats([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3])
    let kernel = Tensor.floats([1, 0, 0, -1], [1, 1, 2, 2])
    let planes = Tensor.floats([1, 2, 3, 4, 5, 6], [1, 2, 1, 3])
    return [
      OperatorExample(
        "residual and Relu", attributes: ["activation": .string(Relu.schema.name)],
        inputs: [image, kernel, .floats([1], [1]), .floats([1, 2, 5, 6], [1, 1, 2, 2])],
        outputs: [.floats([0, 0, 2, 3], [1, 1, 2, 2])]),
      OperatorExample(
        "HardSigmoid, no bias",
        attributes: [
          "activation": .string(HardSigmoid.schema.name),
          "activation_params": .floats([0.25, 0.5]),
        ],
        inputs: [image, kernel, nil, .floats([3, 4, 5, 8], [1, 1, 2, 2])],
        outputs: [.floats([0.25, 0.5, 0.75, 1], [1, 1, 2, 2])]),
      OperatorExample(
        "depthwise with residual and Clip",
        attributes: [
          "activation": .string(Clip.schema.name), "activation_params": .floats([0, 6]),
          "group": .int(2),
          "pads": .ints([0, 1, 0, 0]),
        ],
        inputs: [
          planes, .floats([1, 1, 2, -1], [2, 1, 1, 2]), .floats([0.5, -0.5], [2]),
          .floats([1, 0, 0, 0, 0, 1], [1, 2, 1, 3]),
        ],
        outputs: [.floats([2.5, 3.5, 5.5, 0, 2.5, 4.5], [1, 2, 1, 3])]),
      OperatorExample(
        "depthwise, stride 2, no bias",
        attributes: [
          "group": .int(2), "pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2]),
        ],
        inputs: [planes, .floats((1...18).map(Float.init), [2, 1, 3, 3])],
        outputs: [.floats([17, 23, 131, 149], [1, 2, 1, 2])]),
      OperatorExample(
        "no activation", inputs: [image, kernel],
        outputs: [.floats([-4, -4, -4, -4], [1, 1, 2, 2])]),
    ]
  }
}
