import GraftExecution
import GraftTensor

/// How moving images between the layouts is cut into tasks: each block of channels of each image
/// into ranges of positions.
struct BlockedPositions: Sendable {
  let channels: Int
  /// Positions of one image: its height times its width.
  let positionCount: Int
  private let planeCount: Int
  private let rangeCount: Int

  /// Positions that make a task worth handing out.
  private static let grain = 512

  /// - Parameter image: [N, C, H, W]
  init(image: Shape) {
    channels = image[1]
    positionCount = image[2] * image[3]
    planeCount = image[0] * blockCount(channels)
    rangeCount = max(1, positionCount / BlockedPositions.grain)
  }

  /// Whether both layouts are one.
  var isSame: Bool { positionCount == 1 && channels % channelBlock == 0 }

  /// Some positions of one block.
  struct Part {
    /// The first element in the channels' planes, in the blocks, and how many channels and
    /// positions.
    let planar: Int
    let blocked: Int
    let channels: Int
    let positions: Int
  }

  func kernel(
    move: @escaping @Sendable (_ arguments: KernelArguments, _ part: Part) -> Void
  ) -> PreparedKernel {
    let grain = max(1, BlockedPositions.grain / max(1, positionCount))
    return PreparedKernel.parallel(count: planeCount * rangeCount, grain: grain) {
      arguments, items in
      for item in items { move(arguments, part(item)) }
    }
  }

  private func part(_ item: Int) -> Part {
    let (plane, range) = item.quotientAndRemainder(dividingBy: rangeCount)
    let blocks = blockCount(channels)
    let (image, block) = plane.quotientAndRemainder(dividingBy: blocks)
    let positions = evenRange(of: positionCount, part: range, partCount: rangeCount)
    let channel = block * channelBlock
    return Part(
      planar: (image * channels + channel) * positionCount + positions.lowerBound,
      blocked: (plane * positionCount + positions.lowerBound) * channelBlock,
      channels: min(channelBlock, channels - channel), positions: positions.count)
  }
}
