import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``ConvolutionWeightGradient`` of blocked images, with a separate kernel for each channel.
///
/// Inputs: image [N, ceil(C / 16), H, W, 16], output gradient [N, ceil(C / 16), oH, oW, 16].
/// Output: [C, 1, kH, kW]. Attributes: those of Conv, `group` is C, and `weights_shape` (C, 1, kH,
/// kW).
///
/// With few blocks of channels, the images are split, and the partial sums are added in order.
package struct BlockedDepthwiseWeightGradient: Operator {
  package static let schema = OperatorSchema(
    "BlockedDepthwiseWeightGradient", domain: "graft", since: [1], inputs: 2...2)
  package static let flushesSubnormals = true

  private static let wantedTaskCount = 16

  let attributes: ConvolutionAttributes
  let weights: Shape

  package init(_ attributes: AttributeReader) throws {
    self.attributes = try ConvolutionAttributes(attributes)
    weights = try attributes.value(.weightsShape) ?? []
    guard weights.count == 4, weights[0] == self.attributes.groupCount, weights[1] == 1 else {
      throw GraftError.badData(
        "weights of shape \(weights) in \(self.attributes.groupCount) groups")
    }
    try ConvolutionAttributes.check(weights, of: "the weights")
  }

  package func infer(_ context: inout InferenceContext) throws {
    try attributes.inferBlockedWeightGradient(&context, weights: weights)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    guard try context.output(0).elementCount > 0 else { return .tasks(0) { _, _ in } }
    let image = try context.input(0).shape
    let gradient = try context.input(1).shape
    let (height, width) = attributes.axes(image: image, weights: weights, output: gradient)
    let layers = context.blockedLayers
    let (imageCount, blocks) = (image[0], image[1])
    let inputPlane = height.input * width.input * channelBlock
    let outputPlane = height.output * width.output * channelBlock
    let tapCount = height.taps * width.taps
    let partCount = max(
      1, min(imageCount, BlockedDepthwiseWeightGradient.wantedTaskCount / blocks))

    var scratch = ScratchLayout()
    let sums = try scratch.reserve(floatCount: partCount * blocks * tapCount * channelBlock)
    let sumPhase = PreparedKernel.Phase(taskCount: partCount * blocks) { arguments, task in
      guard let memory = arguments.scratch else { return }
      let (part, block) = task.quotientAndRemainder(dividingBy: blocks)
      let count = tapCount * channelBlock
      let sum = (memory + sums).assumingMemoryBound(to: Float.self) + task * count
      sum.update(repeating: 0, count: count)
      var problem = graft_blocked_depthwise_gradient()
      (problem.height, problem.width) = (height, width)
      for index in evenRange(of: imageCount, part: part, partCount: partCount) {
        let plane = index * blocks + block
        problem.input = arguments.input(0, as: Float.self) + plane * inputPlane
        problem.output_gradient = arguments.input(1, as: Float.self) + plane * outputPlane
        layers.add_depthwise_weight_gradient(&problem, sum)
      }
    }
    let channels = weights[0]
    let resultPhase = PreparedKernel.Phase(taskCount: 1) { arguments, _ in
      guard let memory = arguments.scratch else { return }
      let parts = UnsafePointer((memory + sums).assumingMemoryBound(to: Float.self))
      let result = arguments.output(0, as: Float.self)
      for channel in 0..<channels {
        let (block, lane) = channel.quotientAndRemainder(dividingBy: channelBlock)
        for tap in 0..<tapCount {
          var sum: Float = 0
          for part in 0..<partCount {
            sum += parts[((part * blocks + block) * tapCount + tap) * channelBlock + lane]
          }
          result[channel * tapCount + tap] = sum
        }
      }
    }
    return PreparedKernel(phases: [sumPhase, resultPhase], scratchByteCount: scratch.byteCount)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two channels",
        attributes: ["group": .int(2), "weights_shape": .ints([2, 1, 1, 2])],
        inputs: [
          .blocks([1, 2, 3, 4, 5, 6], [1, 2, 1, 3]), .blocks([1, -1, 2, 1], [1, 2, 1, 2]),
        ],
        outputs: [.floats([-1, -1, 13, 16], [2, 1, 1, 2])]),
      OperatorExample(
        "padded, strided, two images",
        attributes: [
          "group": .int(1), "weights_shape": .ints([1, 1, 1, 3]), "pads": .ints([0, 1, 0, 1]),
          "strides": .ints([1, 2]),
        ],
        inputs: [
          .blocks([1, 2, 3, 4, 5, 6], [2, 1, 1, 3]), .blocks([1, 2, 3, 4], [2, 1, 1, 2]),
        ],
        outputs: [.floats([24, 43, 17], [1, 1, 1, 3])]),
    ]
  }
}
