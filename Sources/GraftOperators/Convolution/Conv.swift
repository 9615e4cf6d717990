import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Convolution: each output element is the sum of a window of the input, weighted by a kernel.
///
/// Inputs: image [N, C, …], weights [M, C / group, …], bias [M] (optional).
/// Specification: <https://onnx.ai/onnx/operators/onnx__Conv.html>
package struct Conv: Operator {
  package static let schema = OperatorSchema(
    "Conv", since: [1, 11, 22], sameSince: 1, inputs: 2...3)
  package static let acceptsUnalignedInputs = true
  package static let flushesSubnormals = true
  package static let widening = Widening.rounds
  package static let weightInputs = [1, 2]
  package static let isWeightedSum = true
  package static let isLaborious = true
  package static var fusedForm: OperatorSchema? { FusedConv.schema }

  package let attributes: ConvolutionAttributes
  private let original: [ByteString: Attribute]

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    original = attributes.attributes
  }

  package var weightChannelAxis: Int? { 0 }

  package static func multiplyAdds(inputs: [Shape?], output: Shape?) -> Int? {
    guard let output, let weights = inputs[1] else { return nil }
    return (output + weights.dropFirst()).checkedProduct
  }

  package func infer(_ context: inout InferenceContext) throws {
    try attributes.inferConvolution(&context)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try attributes.prepareConvolution(context, residual: nil, activation: .identity)
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    let outputGradient = try builder.outputGradient()
    if builder.needs(0) {
      let shape = builder.add("Shape", [try builder.input(0)])
      builder.setInputGradient(
        0,
        builder.add(
          "ConvolutionInputGradient", domain: "graft",
          [outputGradient, try builder.input(1), shape], attributes: original))
    }
    if builder.needs(1) {
      let shape = builder.add("Shape", [try builder.input(1)])
      builder.setInputGradient(
        1,
        builder.add(
          "ConvolutionWeightGradient", domain: "graft",
          [try builder.input(0), outputGradient, shape], attributes: original))
    }
    if builder.needs(2) {
      builder.setInputGradient(2, try builder.sumOfChannels(outputGradient))
    }
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.floats((0..<25).map(Float.init), [1, 1, 5, 5])
    let ones = Tensor.floats([Float](repeating: 1, count: 9), [1, 1, 3, 3])
    return [
      OperatorExample(
        "padded", attributes: ["pads": .ints([1, 1, 1, 1])], inputs: [image, ones],
        outputs: [
          .floats(
            [
              12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81, 93, 144, 153, 162, 111,
              72, 111, 117, 123, 84,
            ], [1, 1, 5, 5])
        ], differentiableInputs: [0, 1]),
      OperatorExample(
        "strided, padded like TensorFlow",
        attributes: ["auto_pad": .string("SAME_LOWER"), "strides": .ints([2, 2])],
        inputs: [image, ones],
        outputs: [.floats([12, 27, 24, 63, 108, 81, 72, 117, 84], [1, 1, 3, 3])],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "groups, dilation and bias",
        attributes: ["group": .int(2), "dilations": .ints([2])],
        inputs: [
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 4]), .floats([1, -1, 2, 1], [2, 1, 2]),
          .floats([0.5, 1], [2]),
        ],
        outputs: [.floats([-1.5, -1.5, 18, 21], [1, 2, 2])], differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "three axes",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6, 7, 8], [1, 1, 2, 2, 2]),
          .floats([1, 0, 0, 1, 0, 0, 0, 1], [1, 1, 2, 2, 2]),
        ],
        outputs: [.floats([13], [1, 1, 1, 1, 1])], differentiableInputs: [0, 1]),
    ]
  }
}

extension GradientBuilder {
  /// The gradient of a bias: the sum of [N, C, …] over all axes but C.
  mutating func sumOfChannels(_ gradient: ValueID) throws -> ValueID {
    guard let rank = try type(of: input(0))?.shape?.count else {
      throw GraftError.unsupported("the gradient of a bias needs to know the rank of the input")
    }
    let axes = [0] + (2..<max(2, rank)).map(Int64.init)
    let constant = addConstant(try Tensor(axes, shape: [axes.count]))
    return add("ReduceSum", [gradient, constant], attributes: ["keepdims": .int(0)])
  }
}
