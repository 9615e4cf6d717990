import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of ``DepthToSpace`` and ``SpaceToDepth``, and how the two forms of an image
/// correspond.
struct DepthBlocks {
  let size: Int
  /// Whether the block's position is the inner part of the channels (`CRD`).
  let isBlockInner: Bool

  init(_ attributes: AttributeReader) throws {
    size = try attributes.required("blocksize", attributes.int("blocksize"))
    guard size > 0, size <= 1 << 16 else {
      throw GraftError.badData("attribute 'blocksize' is \(size)")
    }
    isBlockInner = try attributes.choice("mode", default: "DCR", of: ["DCR", "CRD"]) == "CRD"
  }

  func checkRank(_ rank: Int) throws {
    guard rank == 4 else { throw GraftError.badData("input 0 has rank \(rank); expected 4") }
  }

  func quotient(_ extent: Int, by divisor: Int, _ what: String) throws -> Int {
    guard extent % divisor == 0 else {
      throw GraftError.badData("\(extent) \(what) are not a multiple of \(divisor)")
    }
    return extent / divisor
  }

  /// An axis of the elements, with its strides in `[N, C, H·b, W·b]` and in `[N, C·b², H, W]`.
  struct Axis {
    let extent: Int
    let spatialStride: Int
    let depthStride: Int
  }

  /// The axes N, C, H, row in block, W, column in block.
  ///
  /// - Parameter spatial: `[N, C, H·b, W·b]`
  func axes(spatial: Shape) -> [Axis] {
    let channels = spatial[1]
    let (height, width) = (spatial[2] / size, spatial[3] / size)
    let plane = height * width
    let channelStride = isBlockInner ? size * size * plane : plane
    let blockStride = isBlockInner ? plane : channels * plane
    return [
      Axis(
        extent: spatial[0], spatialStride: channels * spatial[2] * spatial[3],
        depthStride: channels * size * size * plane),
      Axis(
        extent: channels, spatialStride: spatial[2] * spatial[3], depthStride: channelStride),
      Axis(extent: height, spatialStride: size * spatial[3], depthStride: width),
      Axis(extent: size, spatialStride: spatial[3], depthStride: size * blockStride),
      Axis(extent: width, spatialStride: size, depthStride: 1),
      Axis(extent: size, spatialStride: 1, depthStride: blockStride),
    ]
  }
}
