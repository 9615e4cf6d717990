import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// With a separate kernel for each channel: weights [C, 1, kH, kW], and `group` is C.
extension FusedConv: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedDepthwiseConv", domain: "graft", since: [1], inputs: 2...4)
  package static let blockedInputs = [0, 3]

  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? {
    try attributes.depthwiseChannels(context)
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
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

  package static var blockedExamples: [OperatorExample] {
    examples.filter { $0.attributes["group"] != nil }
  }
}

extension ConvolutionAttributes {
  /// The channels of a depthwise convolution.
  ///
  /// - Throws: `GraftError` if the weights, input 1, are not of the form [C, 1, kH, kW]
  func depthwiseChannels(_ context: InferenceContext) throws -> Dimension {
    let channels = Dimension.known(groupCount)
    try context.requireShapeAgrees(1, [channels, 1, .unknown, .unknown])
    return channels
  }

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
