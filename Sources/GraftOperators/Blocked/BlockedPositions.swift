import GraftExecution
import GraftTensor

/// The tasks for moving images between layouts: ranges of positions for each channel block of each
/// image.
struct BlockedPositions: Sendable {
  let channels: Int
  /// The positions of one image: height times width.
  let positionCount: Int
  private let planeCount: Int
  private let rangeCount: Int

  /// The smallest number of positions for a task.
  private static let grain = 512

  /// - Parameter image: [N, C, H, W]
  init(image: Shape) {
    channels = image[1]
    positionCount = image[2] * image[3]
    planeCount = image[0] * blockCount(channels)
    rangeCount = max(1, positionCount / BlockedPositions.grain)
  }

  /// Whether both layouts are the same.
  var isSame: Bool { positionCount == 1 && channels % channelBlock == 0 }

  /// A range of positions of one block.
  struct Part {
    /// The first element in the channels' planes and in the blocks, and the numbers of channels and
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
