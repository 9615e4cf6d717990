import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// ``LRN`` of a blocked image. Has its attributes, and `channels`: C; without it all lanes are
/// channels.
package struct BlockedLRN: Operator {
  package static let schema = OperatorSchema(
    "BlockedLRN", domain: "graft", since: [1], inputs: 1...1)

  let region: ResponseRegion
  let channels: Int?

  package init(_ attributes: AttributeReader) throws {
    region = try ResponseRegion(attributes)
    channels = try attributes.int("channels")
    guard channels ?? 0 >= 0 else {
      throw GraftError.badData("attribute 'channels' is negative")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    if let channels { try context.requireBlocks(image[1], holding: .known(channels)) }
    context.setBlockedOutput(image)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
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

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "odd size",
        attributes: [
          "size": .int(3), "alpha": .float(0.5), "beta": .float(0.75), "bias": .float(1),
          "channels": .int(4),
        ],
        inputs: [.blocks([-1.11, -0.07, 0.87, -0.39, -0.23, -0.22, 0.11, -1.59], [1, 4, 1, 2])],
        outputs: [
          .blocks(
            [
              -0.8955031, -0.068656966, 0.6984152, -0.38027754, -0.20888741, -0.16608395,
              0.10911464, -1.2162644,
            ], [1, 4, 1, 2])
        ]),
      OperatorExample(
        "even size, other exponent",
        attributes: [
          "size": .int(2), "alpha": .float(0.5), "beta": .float(0.5), "bias": .float(2),
        ],
        inputs: [.blocks([0.19, -0, -0.99, 0.46, 2.02, -0.26, -0.2, -1.04], [1, 4, 2, 1])],
        outputs: [
          .blocks(
            [
              0.12655282, -0, -0.5478798, 0.31973755, 1.1604406, -0.1719142, -0.14106913,
              -0.6902114,
            ], [1, 4, 2, 1])
        ]),
    ]
  }
}
