import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Channels of a block.
package let channelBlock = Int(GRAFT_BLOCK)

/// The number of blocks for a number of channels.
package func blockCount(_ channels: Int) -> Int {
  channels / channelBlock + (channels % channelBlock == 0 ? 0 : 1)
}

/// The channels-blocked layout stores an image [N, C, H, W] as the tensor [N, ceil(C / 16), H, W,
/// 16].
///
/// The lanes that fill up the last block hold anything, also NaN, and never affect the others:
/// kernels that sum over channels do not read them.
extension InferenceContext {
  /// [N, blocks, H, W] of an input in the blocked layout.
  ///
  /// - Throws: `GraftError` if the input is not in the blocked layout
  func blockedShape(_ index: Int) throws -> [Dimension] {
    try require(index, [.float])
    let shape = try shape(index)
    guard shape.count == 5, [nil, channelBlock].contains(shape[4].known) else {
      throw GraftError.badData(
        "input \(index) has shape \(shape); expected [N, blocks, H, W, \(channelBlock)]")
    }
    return Array(shape[..<4])
  }

  /// Output 0 is a blocked image.
  mutating func setBlockedOutput(_ shape: [Dimension]) {
    setOutput(0, .float, shape + [.known(channelBlock)])
  }

  /// Infers an ordinary operator's outputs, of which output 0 becomes an image in blocks.
  ///
  /// - Parameters:
  ///   - images: the inputs that are images in blocks, and their channels; with `nil` for each
  ///     block counts as one
  ///   - infer: the inference with ordinary images
  mutating func inferBlocked(
    _ images: [(input: Int, channels: Dimension?)],
    _ infer: (inout InferenceContext) throws -> Void
  ) throws {
    var planar = self
    for (input, channels) in images where hasInput(input) {
      try require(input, [.float])
      guard try self.input(input).shape != nil else { continue }
      let shape = try blockedShape(input)
      if let channels { try requireBlocks(shape[1], of: input, holding: channels) }
      try planar.setInputShape(input, [shape[0], channels ?? shape[1], shape[2], shape[3]])
    }
    let countsBlocks = images.contains { $0.channels == nil }
    defer {
      for (index, type) in planar.outputTypes.enumerated() {
        if let type { setOutput(index, type) }
      }
      if let shape = planar.outputTypes[0]?.tensor?.shape, shape.count == 4 {
        let blocks = countsBlocks ? shape[1] : shape[1].map(blockCount)
        setBlockedOutput([shape[0], blocks, shape[2], shape[3]])
      }
    }
    try infer(&planar)
  }

  /// - Throws: `GraftError` if the number of blocks does not match `channels` channels
  func requireBlocks(
    _ blocks: Dimension, of input: Int = 0, holding channels: Dimension
  ) throws {
    guard let blocks = blocks.known, let channels = channels.known,
      blocks != blockCount(channels)
    else { return }
    throw GraftError.badData(
      "input \(input) has \(blocks) blocks; \(channels) channels make \(blockCount(channels))")
  }
}

extension AttributeKey<Int> {
  /// The channels of an image in blocks, where these do not say it.
  package static var channels: Self { Self("channels") }
}

extension PrepareContext {
  /// The kernels of the blocked layout.
  var blockedLayers: graft_blocked_layers {
    instructionSet.kernels.pointee.blocked.pointee.layers
  }
}

extension Tensor {
  /// For examples: a blocked image of [N, C, H, W] elements.
  static func blocks(_ elements: [Float], _ shape: Shape) -> Tensor {
    let (channels, positions) = (shape[1], shape[2] * shape[3])
    let blocks = blockCount(channels)
    let blockedShape = [shape[0], blocks, shape[2], shape[3], channelBlock]
    var blocked = [Float](repeating: 0, count: blockedShape.elementCount)
    for (index, element) in elements.enumerated() {
      let (plane, position) = index.quotientAndRemainder(dividingBy: positions)
      let (image, channel) = plane.quotientAndRemainder(dividingBy: channels)
      let block = image * blocks + channel / channelBlock
      blocked[(block * positions + position) * channelBlock + channel % channelBlock] = element
    }
    return .floats(blocked, blockedShape)
  }
}
