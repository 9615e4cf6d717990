import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// With a separate kernel for each channel: weights [C, 1, kH, kW], and `group` is C. The image's
/// shape, input 2, is that of an ordinary image.
extension ConvolutionInputGradient: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedDepthwiseInputGradient", domain: "graft", since: [1], inputs: 3...3)

  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? {
    try attributes.depthwiseChannels(context)
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
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
}
