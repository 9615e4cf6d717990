import GraftFiles
import GraftGraph
import GraftTensor

/// How blocks slide over an image, for ``Col2Im`` and its gradient.
struct SlidingBlocks: Sendable {
  /// The sliding along one axis.
  struct Axis {
    let imageExtent: Int
    let blockExtent: Int
    let blockCount: Int
    let stride: Int
    let dilation: Int
    let padding: Int
  }

  /// The attributes of the sliding.
  struct Attributes: Sendable {
    let strides: [Int]?
    let pads: [Int]?
    let dilations: [Int]?

    init(_ attributes: AttributeReader) throws {
      strides = try attributes.ints("strides")
      pads = try attributes.ints("pads")
      dilations = try attributes.ints("dilations")
    }
  }

  let axes: [Axis]
  private let imageStrides: [Int]

  /// - Throws: `GraftError` if the attributes do not match the shapes
  init(_ attributes: Attributes, image: Shape, block: Shape) throws {
    let count = image.count
    let strides = attributes.strides ?? Array(repeating: 1, count: count)
    let dilations = attributes.dilations ?? Array(repeating: 1, count: count)
    let pads = attributes.pads ?? Array(repeating: 0, count: 2 * count)
    guard block.count == count, strides.count == count, dilations.count == count,
      pads.count == 2 * count, (strides + dilations + block).allSatisfy({ 1...1 << 31 ~= $0 }),
      (pads + image).allSatisfy({ 0...1 << 31 ~= $0 })
    else {
      throw GraftError.badData(
        "image \(image), blocks \(block), strides \(strides), dilations \(dilations) and pads "
          + "\(pads) do not fit")
    }
    _ = try block.checkedElementCount()
    axes = (0..<count).map { axis in
      let room = image[axis] + pads[axis] + pads[count + axis] - dilations[axis] * (block[axis] - 1)
      return Axis(
        imageExtent: image[axis], blockExtent: block[axis],
        blockCount: room < 1 ? 0 : (room - 1) / strides[axis] + 1, stride: strides[axis],
        dilation: dilations[axis], padding: pads[axis])
    }
    imageStrides = axes.map(\.imageExtent).denseStrides
    _ = try axes.map(\.blockCount).checkedElementCount()
  }

  /// The elements of an image, those of a block, and the number of blocks.
  var imageCount: Int { axes.reduce(1) { $0 * $1.imageExtent } }
  var blockSize: Int { axes.reduce(1) { $0 * $1.blockExtent } }
  var blockCount: Int { axes.reduce(1) { $0 * $1.blockCount } }

  /// The position in the image of a block's element; `nil` in the padding.
  func place(_ element: Int, _ block: Int) -> Int? {
    var (element, block) = (element, block)
    var place = 0
    for (number, axis) in axes.enumerated().reversed() {
      let index =
        block % axis.blockCount * axis.stride + element % axis.blockExtent * axis.dilation
        - axis.padding
      guard index >= 0, index < axis.imageExtent else { return nil }
      place += index * imageStrides[number]
      element /= axis.blockExtent
      block /= axis.blockCount
    }
    return place
  }
}
