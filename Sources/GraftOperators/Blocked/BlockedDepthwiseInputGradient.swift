import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``ConvolutionInputGradient`` in the blocked layout, with a separate kernel for each channel.
///
/// Inputs: output gradient [N, ceil(C / 16), oH, oW, 16], weights [C, 1, kH, kW], the image's shape
/// (int64: N, C, H, W). Output: [N, ceil(C / 16), H, W, 16]. Attributes are those of Conv; `group`
/// is C.
package struct BlockedDepthwiseInputGradient: Operator {
  package static let schema = OperatorSchema(
    "BlockedDepthwiseInputGradient", domain: "graft", since: [1], inputs: 3...3)
  package static let flushesSubnormals = true

  let attributes: ConvolutionAttributes

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let gradient = try context.blockedShape(0)
    try context.requireSameElementType([0, 1])
    let weights = try context.shape(1)
    let kernel = try attributes.checkedKernel(weights: weights, imageRank: 4)
    let channels = Dimension.known(attributes.groupCount)
    try context.requireShapeAgrees(1, [channels, 1] + kernel)
    try context.requireBlocks(gradient[1], holding: channels)
    let shape = try context.contents(2).integers()
    try ConvolutionAttributes.check(shape, of: "an image")
    guard shape.count == 4 else {
      throw GraftError.badData("an image of rank \(shape.count); expected 4")
    }
    let image = [Dimension](shape)
    try attributes.checkGradient(
      [gradient[0], channels, gradient[2], gradient[3]], image: image, weights: weights)
    context.setBlockedOutput([image[0], channels.map(blockCount), image[2], image[3]])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    guard output.elementCount > 0 else { return .tasks(0) { _, _ in } }
    let gradient = try context.input(0).shape
    let (height, width) = attributes.axes(
      image: output.shape, weights: try context.input(1).shape, output: gradient)
    let layers = context.blockedLayers
    let blocks = gradient[1]
    let inputPlane = height.input * width.input * channelBlock
    let outputPlane = height.output * width.output * channelBlock
    let tapCount = height.taps * width.taps
    var scratch = ScratchLayout()
    let weights = try PackedOperand.channels(input: 1, scratch: &scratch, context)
    let phase = BlockedRows(planeCount: gradient[0] * blocks, rowCount: height.input).phase(
      workPerRow: width.input * min(height.taps, height.output) * min(width.taps, width.output)
    ) { arguments, plane, rows in
      guard let weights = weights.pointer(arguments) else { return }
      var problem = graft_blocked_depthwise_gradient()
      (problem.height, problem.width) = (height, width)
      problem.output_gradient = arguments.input(0, as: Float.self) + plane * outputPlane
      layers.depthwise_input_gradient(
        &problem, weights + plane % blocks * tapCount * channelBlock, rows.lowerBound, rows.count,
        arguments.output(0, as: Float.self) + plane * inputPlane)
    }
    return PreparedKernel(
      phases: [weights.phase, phase].compactMap { $0 }, scratchByteCount: scratch.byteCount)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two channels", attributes: ["group": .int(2)],
        inputs: [
          .blocks([1, -1, 2, 1], [1, 2, 1, 2]), .floats([1, 2, 3, 4], [2, 1, 1, 2]),
          .integers([1, 2, 1, 3], [4]),
        ],
        outputs: [.blocks([1, 1, -2, 6, 11, 4], [1, 2, 1, 3])]),
      OperatorExample(
        "padded, a stride that leaves a column",
        attributes: ["group": .int(1), "pads": .ints([0, 1, 0, 0]), "strides": .ints([1, 2])],
        inputs: [
          .blocks([1, 2], [1, 1, 1, 2]), .floats([3, 5], [1, 1, 1, 2]),
          .integers([1, 1, 1, 4], [4]),
        ],
        outputs: [.blocks([5, 6, 10, 0], [1, 1, 1, 4])]),
    ]
  }
}
