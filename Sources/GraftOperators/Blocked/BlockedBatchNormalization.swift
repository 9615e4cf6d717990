import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// In training, followed by an activation as ``FusedConv`` has it.
extension BatchNormalization: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedBatchNormalization", domain: "graft", since: [1], inputs: 5...5, outputs: 1...3)

  package init(blocked attributes: AttributeReader) throws {
    try self.init(attributes)
    isTraining = true
    activation = try FusedActivation(attributes)
  }

  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? {
    try context.shape(1).first
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
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

  package static var blockedExamples: [OperatorExample] {
    let training = examples.filter { $0.attributes["training_mode"] != nil }
    return training
      + training.map { example in
        let results = example.outputs[0].flatMap { try? $0.elements(as: Float.self) } ?? []
        let activated = Tensor.floats(results.map { max($0, 0) }, example.inputs[0]?.shape ?? [])
        return OperatorExample(
          "\(example.name), Relu",
          attributes: example.attributes.merging(["activation": .string(Relu.schema.name)]) { $1 },
          inputs: example.inputs, outputs: [activated] + example.outputs.dropFirst())
      }
  }
}
