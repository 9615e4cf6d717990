import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// activation(Conv(X, W, B) + residual) with a separate kernel for each channel, of a blocked
/// image.
///
/// Inputs: image [N, ceil(C / 16), H, W, 16], weights [C, 1, kH, kW], bias [C] (optional), residual
/// of the output's shape (optional). Attributes are those of ``FusedConv``; `group` is C.
package struct BlockedDepthwiseConv: Operator {
  package static let schema = OperatorSchema(
    "BlockedDepthwiseConv", domain: "graft", since: [1], inputs: 2...4)
  package static let flushesSubnormals = true

  let attributes: ConvolutionAttributes
  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    try context.requireSameElementType([0, 1, 2, 3])
    let weights = try context.shape(1)
    let kernel = try attributes.checkedKernel(weights: weights, imageRank: image.count)
    let channels = Dimension.known(attributes.groupCount)
    try context.requireShapeAgrees(1, [channels, 1] + kernel)
    try context.requireBlocks(image[1], holding: channels)
    try attributes.checkBias(context, 2, channels: channels)
    let spatial = try (0..<2).map { axis in
      try Dimension.combine(image[axis + 2], kernel[axis]) { input, kernel in
        try attributes.outputExtent(axis, rank: 2, input: input, kernel: kernel)
      }
    }
    let output = [image[0], channels.map(blockCount)] + spatial
    try context.requireShapeAgrees(3, output + [.known(channelBlock)])
    context.setBlockedOutput(output)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let kernel = try context.input(1).shape
    let output = try context.output(0)
    guard output.elementCount > 0 else { return .tasks(0) { _, _ in } }
    let (height, width) = attributes.axes(image: shape, weights: kernel, output: output.shape)
    let activation = activation.parameters
    let layers = context.blockedLayers
    let blocks = shape[1]
    let inputPlane = height.input * width.input * channelBlock
    let outputPlane = height.output * width.output * channelBlock

    var scratch = ScratchLayout()
    let weights = try PackedOperand.channels(input: 1, scratch: &scratch, context)
    let bias =
      context.hasInput(2)
      ? try PackedOperand.channels(input: 2, scratch: &scratch, context) : nil
    let taps = height.taps * width.taps
    let hasResidual = context.hasInput(3)
    let phase = BlockedRows(planeCount: shape[0] * blocks, rowCount: height.output).phase(
      workPerRow: width.output * min(height.taps, height.input) * min(width.taps, width.input)
    ) { arguments, plane, rows in
      let block = plane % blocks
      var problem = graft_blocked_depthwise()
      problem.height = height
      problem.width = width
      problem.input = arguments.input(0, as: Float.self) + plane * inputPlane
      problem.weights = weights.pointer(arguments).map { $0 + block * taps * channelBlock }
      problem.bias = bias?.pointer(arguments).map { $0 + block * channelBlock }
      if hasResidual {
        problem.residual = arguments.input(3, as: Float.self) + plane * outputPlane
      }
      problem.output = arguments.output(0, as: Float.self) + plane * outputPlane
      problem.activation = activation
      layers.convolve_depthwise(&problem, rows.lowerBound, rows.count)
    }
    return PreparedKernel(
      phases: [weights.phase, bias?.phase, phase].compactMap { $0 },
      scratchByteCount: scratch.byteCount, inPlaceInputs: hasResidual ? [3] : [])
  }

  package static var examples: [OperatorExample] {
    let image = Tensor.blocks([1, 2, 3, 4, 5, 6], [1, 2, 1, 3])
    return [
      OperatorExample(
        "residual and Clip",
        attributes: [
          "activation": .string(Clip.schema.name), "activation_params": .floats([0, 6]),
          "group": .int(2),
          "pads": .ints([0, 1, 0, 0]),
        ],
        inputs: [
          image, .floats([1, 1, 2, -1], [2, 1, 1, 2]), .floats([0.5, -0.5], [2]),
          .blocks([1, 0, 0, 0, 0, 1], [1, 2, 1, 3]),
        ],
        outputs: [.blocks([2.5, 3.5, 5.5, 0, 2.5, 4.5], [1, 2, 1, 3])]),
      OperatorExample(
        "stride 2, no bias",
        attributes: [
          "group": .int(2), "pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 2]),
        ],
        inputs: [image, .floats((1...18).map(Float.init), [2, 1, 3, 3])],
        outputs: [.blocks([17, 23, 131, 149], [1, 2, 1, 2])]),
    ]
  }
}

extension ConvolutionAttributes {
  /// The two axes of a convolution, in the form of depthwise kernels.
  func axes(
    image: Shape, weights: Shape, output: Shape
  ) -> (height: graft_conv_axis, width: graft_conv_axis) {
    func axis(_ index: Int) -> graft_conv_axis {
      let (input, taps) = (image[index + 2], weights[index + 2])
      return graft_conv_axis(
        input: input, output: output[index + 2], taps: taps, stride: stride(index),
        first: -padding(index, rank: 2, input: input, kernel: taps).begin,
        tap_step: dilation(index))
    }
    return (axis(0), axis(1))
  }
}
