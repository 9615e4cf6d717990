import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Converts an image to channel blocks of 16, padded with zeros: [N, C, H, W] becomes [N, ceil(C /
/// 16), H, W, 16].
struct ToBlocked: Operator {
  static let schema = OperatorSchema("ToBlocked", domain: "graft", since: [1], inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, [.float])
    context.setOutput(0, .float, nil)
    let image = try context.shape(0)
    guard image.count == 4 else {
      throw GraftError.badData("input 0 has shape \(image); expected [N, C, H, W]")
    }
    guard let channels = image[1].known else {
      throw GraftError.badData(
        "input 0 has shape \(image), but the number of channels must be known")
    }
    context.setBlockedOutput([image[0], .known(blockCount(channels)), image[2], image[3]])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let positions = BlockedPositions(image: try context.input(0).shape)
    if positions.isSame { return .alias(input: 0) }
    let layers = context.blockedLayers
    return positions.kernel { arguments, part in
      layers.to_blocks(
        arguments.input(0, as: Float.self) + part.planar, positions.positionCount, part.channels,
        part.positions, arguments.output(0, as: Float.self) + part.blocked)
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two channels", inputs: [.floats([1, 2, 3, 4], [1, 2, 1, 2])],
        outputs: [
          .floats(
            [
              1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
              2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ], [1, 1, 1, 2, 16])
        ]),
      OperatorExample(
        "one position, whole blocks", inputs: [.floats((0..<32).map(Float.init), [1, 32, 1, 1])],
        outputs: [.floats((0..<32).map(Float.init), [1, 2, 1, 1, 16])]),
      OperatorExample(
        "an empty batch", inputs: [.floats([], [0, 3, 2, 2])],
        outputs: [.floats([], [0, 1, 2, 2, 16])]),
    ]
  }
}
