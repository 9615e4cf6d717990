import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Converts an image from channel blocks of 16, the inverse of ``ToBlocked``: [N, ceil(C / 16), H,
/// W, 16] becomes [N, C, H, W]. Attribute `channels`: C.
struct FromBlocked: Operator {
  static let schema = OperatorSchema("FromBlocked", domain: "graft", since: [1], inputs: 1...1)

  let channels: Int

  init(_ attributes: AttributeReader) throws {
    channels = try attributes.required("channels", attributes.value(.channels))
    guard channels >= 0 else {
      throw GraftError.badData("attribute 'channels' is \(channels); expected at least 0")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .float, nil)
    let image = try context.blockedShape(0)
    try context.requireBlocks(image[1], holding: .known(channels))
    context.setOutput(0, .float, [image[0], .known(channels), image[2], image[3]])
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let positions = BlockedPositions(image: try context.output(0).shape)
    if positions.isSame { return .alias(input: 0) }
    let layers = context.blockedLayers
    return positions.kernel { arguments, part in
      layers.from_blocks(
        arguments.input(0, as: Float.self) + part.blocked, part.positions, part.channels,
        positions.positionCount, arguments.output(0, as: Float.self) + part.planar)
    }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two channels, anything in the other lanes", attributes: ["channels": .int(2)],
        inputs: [
          .floats(
            [
              1, 3, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
              2, 4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
            ], [1, 1, 1, 2, 16])
        ],
        outputs: [.floats([1, 2, 3, 4], [1, 2, 1, 2])]),
      OperatorExample(
        "one position, whole blocks", attributes: ["channels": .int(32)],
        inputs: [.floats((0..<32).map(Float.init), [1, 2, 1, 1, 16])],
        outputs: [.floats((0..<32).map(Float.init), [1, 32, 1, 1])]),
    ]
  }
}
