import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Shuffles the channels of a blocked image: channel g · C / G + i becomes i · G + g, for G groups.
///
/// Input: [N, ceil(C / 16), H, W, 16]. Attributes: `channels` (C) and `groups` (G). Source: Zhang
/// et al., "ShuffleNet", <https://arxiv.org/abs/1707.01083>
struct BlockedChannelShuffle: Operator {
  static let schema = OperatorSchema(
    "BlockedChannelShuffle", domain: "graft", since: [1], inputs: 1...1)

  let channels: Int
  let groups: Int

  init(_ attributes: AttributeReader) throws {
    channels = try attributes.value(.channels) ?? 0
    groups = try attributes.value(.shuffledGroups) ?? 1
    guard (1...1 << 24).contains(channels), groups >= 1, channels % groups == 0 else {
      throw GraftError.badData("\(channels) channels cannot be shuffled in \(groups) groups")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    try context.requireBlocks(image[1], holding: .known(channels))
    context.setBlockedOutput(image)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (blocks, positions) = (shape[1], shape[2] * shape[3])
    let sources = (0..<blocks * channelBlock).map { channel in
      channel < channels
        ? Int32(channel % groups * (channels / groups) + channel / groups) : -1
    }
    let blockSize = positions * channelBlock
    let layers = context.blockedLayers
    return .parallel(count: shape[0] * blocks, grain: max(1, 2048 / max(1, positions))) {
      arguments, range in
      let input = arguments.input(0, as: Float.self)
      let output = arguments.output(0, as: Float.self)
      sources.withUnsafeBufferPointer { sources in
        for index in range {
          let (image, block) = index.quotientAndRemainder(dividingBy: blocks)
          layers.gather_channels(
            input + image * blocks * blockSize, positions,
            sources.baseAddress! + block * channelBlock, output + index * blockSize)
        }
      }
    }
  }

  static var examples: [OperatorExample] {
    let values = (0..<36).map(Float.init)
    let order = (0..<18).map { $0 % 3 * 6 + $0 / 3 }
    return [
      OperatorExample(
        "three groups of six", attributes: ["channels": .int(18), "groups": .int(3)],
        inputs: [.blocks(values, [1, 18, 1, 2])],
        outputs: [.blocks(order.flatMap { [values[2 * $0], values[2 * $0 + 1]] }, [1, 18, 1, 2])])
    ]
  }
}

extension AttributeKey<Int> {
  /// The groups that a BlockedChannelShuffle takes channels from, one after the other.
  package static var shuffledGroups: Self { Self("groups") }
}
