import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``BatchNormalization`` in training of a blocked image, followed by an activation.
///
/// Inputs: image [N, C / 16, H, W, 16], scale, bias, running mean and running variance [C].
/// Outputs: the image, and the new running statistics. Attributes: those of BatchNormalization, and
/// `activation` as ``FusedConv`` has it.
package struct BlockedBatchNormalization: Operator {
  package static let schema = OperatorSchema(
    "BlockedBatchNormalization", domain: "graft", since: [1], inputs: 5...5, outputs: 1...3)

  let epsilon: Double
  let momentum: Double
  let activation: FusedActivation

  package init(_ attributes: AttributeReader) throws {
    let normalization = try BatchNormalization(attributes)
    (epsilon, momentum) = (normalization.epsilon, normalization.momentum)
    activation = try FusedActivation(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    for index in 0..<3 { context.setOutput(index, .float, nil) }
    try context.requireSameElementType([0, 1, 2, 3, 4])
    let image = try context.blockedShape(0)
    let scale = try context.shape(1)
    guard scale.count == 1 else {
      throw GraftError.badData("input 1 has shape \(scale); expected one scale for each channel")
    }
    for index in 2...4 { try context.requireShapeAgrees(index, scale) }
    try context.requireBlocks(image[1], holding: scale[0])
    context.setBlockedOutput(image)
    for index in 1...2 { context.setOutput(index, .float, scale) }
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (blocks, positions) = (shape[1], shape[2] * shape[3])
    let channels = try context.input(1).shape[0]
    var scratch = ScratchLayout()
    let statistics = try BlockedStatistics(image: 0, scratch: &scratch, context)
    let factors = try scratch.reserve(floatCount: 2 * blocks * channelBlock)
    let (epsilon, momentum) = (epsilon, momentum)
    let (hasMean, hasVariance) = (context.hasOutput(1), context.hasOutput(2))
    let finish = PreparedKernel.Phase(taskCount: blocks) { arguments, block in
      guard let memory = arguments.scratch else { return }
      let factors = (memory + factors).assumingMemoryBound(to: Float.self)
      for channel in block * channelBlock..<(block + 1) * channelBlock {
        guard channel < channels else {
          (factors[channel], factors[blocks * channelBlock + channel]) = (0, 0)
          continue
        }
        let moments = statistics.moments(
          arguments, block: block, lane: channel - block * channelBlock)
        let scale = Double(arguments.input(1, as: Float.self)[channel])
        let factor = scale / (moments.variance + epsilon).squareRoot()
        let bias = Double(arguments.input(2, as: Float.self)[channel])
        factors[channel] = Float(factor)
        factors[blocks * channelBlock + channel] = Float(bias - moments.mean * factor)
        func update(_ index: Int, with new: Double) {
          let old = Double(arguments.input(index + 2, as: Float.self)[channel])
          arguments.output(index, as: Float.self)[channel] = Float(
            old * momentum + new * (1 - momentum))
        }
        if hasMean { update(1, with: moments.mean) }
        if hasVariance { update(2, with: moments.variance) }
      }
    }
    let layers = context.blockedLayers
    let activation = activation.parameters
    let hasResult = context.hasOutput(0)
    let normalize = BlockedRows(planeCount: shape[0] * blocks, rowCount: 1).phase(
      workPerRow: positions * 4
    ) { arguments, plane, _ in
      guard hasResult, let memory = arguments.scratch else { return }
      let factors = (memory + factors).assumingMemoryBound(to: Float.self)
      let scale = factors + plane % blocks * channelBlock
      let start = plane * positions * channelBlock
      withUnsafePointer(to: activation) { activation in
        layers.scale_positions(
          arguments.input(0, as: Float.self) + start, scale, scale + blocks * channelBlock,
          activation, positions, arguments.output(0, as: Float.self) + start)
      }
    }
    return PreparedKernel(
      phases: [statistics.phase, finish, normalize], scratchByteCount: scratch.byteCount,
      inPlaceInputs: [0])
  }

  package static var examples: [OperatorExample] {
    let attributes: [ByteString: Attribute] = ["momentum": .float(0.75), "epsilon": .float(0.01)]
    let inputs: [Tensor] = [
      .blocks(
        [-1.15, -1.69, 0.82, -1.02, -0.01, 0.84, -1.64, -2.11, 0.26, 0.04, -0.25, 0.04],
        [2, 2, 1, 3]), .floats([1.5, -0.5], [2]), .floats([0.25, 1], [2]),
      .floats([0.1, -0.2], [2]), .floats([0.8, 1.2], [2]),
    ]
    let result: [Float] = [
      -0.070346, -0.817052, 2.653748, 1.8643856, 0.9549799, 0.1896385, -0.7479126, -1.3978232,
      1.8793861, 0.9099598, 1.1710763, 0.9099598,
    ]
    let statistics: [Tensor] = [
      .floats([-0.15458333, -0.165], [2]), .floats([0.89167845, 0.9745917], [2]),
    ]
    return [
      OperatorExample(
        "no activation", attributes: attributes, inputs: inputs,
        outputs: [.blocks(result, [2, 2, 1, 3])] + statistics),
      OperatorExample(
        "Relu", attributes: attributes.merging(["activation": .string(Relu.schema.name)]) { $1 },
        inputs: inputs, outputs: [.blocks(result.map { max($0, 0) }, [2, 2, 1, 3])] + statistics),
    ]
  }
}
