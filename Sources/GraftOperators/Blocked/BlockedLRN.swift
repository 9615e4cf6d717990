import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attribute `channels` is C; without it all lanes are channels.
extension LRN: BlockedForm {
  package static let blockedSchema = OperatorSchema(
    "BlockedLRN", domain: "graft", since: [1], inputs: 1...1)

  package init(blocked attributes: AttributeReader) throws {
    try self.init(attributes)
    channels = try attributes.value(.channels)
    guard channels ?? 0 >= 0 else {
      throw GraftError.badData("attribute 'channels' is negative")
    }
  }

  package func blockedChannels(_ context: InferenceContext) throws -> Dimension? {
    channels.map { .known($0) }
  }

  package func blockedKernel(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let positionCount = shape[2] * shape[3]
    let imageSize = shape[1] * positionCount * channelBlock
    let channels = channels ?? shape[1] * channelBlock
    let before = (region.size - 1) / 2
    let response = graft_blocked_response(
      channels: channels, position_count: positionCount, before: min(before, channels),
      after: min(region.size - 1 - before, channels), factor: region.alpha / Float(region.size),
      bias: region.bias, beta: region.beta)
    let layers = context.blockedLayers
    let scratchCount = withUnsafePointer(to: response, graft_blocked_response_scratch_count)
    let phase = BlockedRows(planeCount: shape[0], rowCount: positionCount).phase(
      workPerRow: shape[1] * 16
    ) { arguments, image, positions in
      guard let scratch = arguments.workerScratch else { return }
      withUnsafePointer(to: response) { response in
        layers.divide_responses(
          response, arguments.input(0, as: Float.self) + image * imageSize, positions.lowerBound,
          positions.count, scratch.assumingMemoryBound(to: Float.self),
          arguments.output(0, as: Float.self) + image * imageSize)
      }
    }
    return PreparedKernel(
      phases: [phase], workerScratchByteCount: scratchCount * MemoryLayout<Float>.stride,
      inPlaceInputs: [0])
  }

  package static var blockedExamples: [OperatorExample] {
    examples
      + examples.map {
        OperatorExample(
          "\($0.name), 4 channels", attributes: $0.attributes.merging(["channels": .int(4)]) { $1 },
          inputs: $0.inputs, outputs: $0.outputs)
      }
  }
}
