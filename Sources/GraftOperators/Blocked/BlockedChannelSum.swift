import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The sum of each channel of an image in the blocked layout, over images and positions: the
/// gradient of a bias.
///
/// Input: [N, C / 16, H, W, 16]. Output: [C]. Attribute: `channels` (C).
package struct BlockedChannelSum: Operator {
  package static let schema = OperatorSchema(
    "BlockedChannelSum", domain: "graft", since: [1], inputs: 1...1)

  let channels: Int

  package init(_ attributes: AttributeReader) throws {
    channels = try attributes.value(.channels) ?? 1
    guard (1...1 << 24).contains(channels) else {
      throw GraftError.badData("\(channels) channels cannot be summed")
    }
  }

  package func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, [.known(channels)])
    let shape = try context.blockedShape(0)
    if let blocks = shape[1].known, blocks != blockCount(channels) {
      throw GraftError.badData("\(blocks) blocks do not hold \(channels) channels")
    }
  }

  /// A block's positions are summed in double for each image, and the images are added in order.
  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let (images, blocks, positions) = (shape[0], shape[1], shape[2] * shape[3])
    let layers = context.blockedLayers
    let channels = channels
    return PreparedKernel.parallel(
      count: blocks, grain: max(1, 65536 / max(1, images * positions))
    ) { arguments, range in
      let x = arguments.input(0, as: Float.self)
      let result = arguments.output(0, as: Float.self)
      withUnsafeTemporaryAllocation(of: Float.self, capacity: channelBlock) { means in
        guard let base = means.baseAddress else { return }
        for block in range {
          var sums = SIMD16<Double>(repeating: 0)
          for image in 0..<images {
            layers.global_average_pool(
              x + (image * blocks + block) * positions * channelBlock, base, 1, positions)
            for lane in 0..<channelBlock { sums[lane] += Double(base[lane]) }
          }
          for lane in 0..<min(channelBlock, channels - block * channelBlock) {
            result[block * channelBlock + lane] = Float(sums[lane] * Double(positions))
          }
        }
      }
    }
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one channel, two images", inputs: [.blocks([1, 2, 3, 4], [2, 1, 1, 2])],
        outputs: [.floats([10], [1])])
    ]
  }
}
