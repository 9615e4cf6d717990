import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of DeformConv.
struct DeformableAttributes: Sendable {
  let convolution: ConvolutionAttributes
  let offsetGroupCount: Int

  /// The inputs of an operator that samples.
  struct Inputs {
    let image: Int
    let weights: Int
    let offsets: Int
    let mask: Int
  }

  static let largestRank = 6

  init(_ attributes: AttributeReader) throws {
    convolution = try ConvolutionAttributes(attributes)
    offsetGroupCount = try attributes.int("offset_group", default: 1)
    guard (1...ConvolutionAttributes.largest).contains(offsetGroupCount) else {
      throw GraftError.badData("attribute 'offset_group' is \(offsetGroupCount)")
    }
  }

  /// The output's shape; checks those of the inputs.
  func outputShape(
    _ context: inout InferenceContext, _ inputs: Inputs
  ) throws -> [Dimension] {
    let image = try context.shape(inputs.image)
    let weights = try context.shape(inputs.weights)
    let rank = image.count - 2
    guard image.count >= 3, weights.count == image.count else {
      throw GraftError.badData("weights of shape \(weights) do not fit an input of shape \(image)")
    }
    guard rank <= Self.largestRank else {
      throw GraftError.unsupported("more than \(Self.largestRank) spatial axes")
    }
    try convolution.checkSpatialRank(rank)
    if let given = convolution.kernelShape {
      try context.requireShape(
        inputs.weights, [weights[0], weights[1]] + given.map { .known($0) })
    }
    let groups = convolution.groupCount
    if let channels = image[1].known {
      guard channels % groups == 0, channels % offsetGroupCount == 0 else {
        throw GraftError.badData(
          "\(channels) channels cannot be divided into \(groups) groups and \(offsetGroupCount) "
            + "groups of offsets")
      }
      guard weights[1].isCompatible(with: .known(channels / groups)) else {
        throw GraftError.badData(
          "weights of shape \(weights) do not fit \(channels) channels in \(groups) groups")
      }
    }
    if let rows = weights[0].known, rows % groups != 0 {
      throw GraftError.badData("\(rows) output channels cannot be divided into \(groups) groups")
    }
    var result = [image[0], weights[0]]
    for axis in 0..<rank {
      result.append(
        try Dimension.combine(image[axis + 2], weights[axis + 2]) { extent, kernel in
          guard kernel > 0, kernel <= ConvolutionAttributes.largest else {
            throw GraftError.badData("a kernel of extent \(kernel)")
          }
          return try convolution.outputExtent(axis, rank: rank, input: extent, kernel: kernel)
        })
    }
    let taps = try (Array(weights[2...]) + [.known(offsetGroupCount)]).product()
    let offsets = try [taps, .known(rank)].product()
    try context.requireShape(inputs.offsets, [image[0], offsets] + result[2...])
    if context.hasInput(inputs.mask) {
      try context.requireShape(inputs.mask, [image[0], taps] + result[2...])
    }
    return result
  }
}

/// Where the taps of a DeformConv of known shapes read.
struct DeformableSampling: Sendable {
  let imageCount: Int
  let channels: Int
  let groupCount: Int
  let channelsPerGroup: Int
  let rowsPerGroup: Int
  let channelsPerOffsetGroup: Int
  let tapCount: Int
  /// The elements of a plane of the input.
  let planeCount: Int
  /// The output positions.
  let positionCount: Int
  let rank: Int
  private let offsetGroupCount: Int
  private let axes: [Axis]

  private struct Axis: Sendable {
    let extent: Int
    let stride: Int
    let kernel: Int
    let output: Int
    let step: Int
    let dilation: Int
    let padding: Int
  }

  init(_ attributes: DeformableAttributes, image: Shape, weights: Shape, output: Shape) {
    let convolution = attributes.convolution
    rank = image.count - 2
    imageCount = image[0]
    channels = image[1]
    groupCount = convolution.groupCount
    channelsPerGroup = image[1] / convolution.groupCount
    rowsPerGroup = weights[0] / convolution.groupCount
    offsetGroupCount = attributes.offsetGroupCount
    channelsPerOffsetGroup = image[1] / attributes.offsetGroupCount
    tapCount = weights[2...].reduce(1, *)
    planeCount = image[2...].reduce(1, *)
    positionCount = output[2...].reduce(1, *)
    let strides = Array(image[2...]).denseStrides
    axes = (0..<(image.count - 2)).map { axis in
      Axis(
        extent: image[axis + 2], stride: strides[axis], kernel: weights[axis + 2],
        output: output[axis + 2], step: convolution.stride(axis),
        dilation: convolution.dilation(axis),
        padding: convolution.padding(
          axis, rank: image.count - 2, input: image[axis + 2], kernel: weights[axis + 2]
        ).begin)
    }
  }

  var cornerCount: Int { 1 << rank }

  /// Where the offsets of a tap along an axis begin, by position.
  func offsetStart(image: Int, offsetGroup: Int, tap: Int, axis: Int) -> Int {
    (((image * offsetGroupCount + offsetGroup) * tapCount + tap) * rank + axis) * positionCount
  }

  /// Where a tap's mask begins, by position.
  func maskStart(image: Int, offsetGroup: Int, tap: Int) -> Int {
    ((image * offsetGroupCount + offsetGroup) * tapCount + tap) * positionCount
  }

  /// Calls `body` for each corner that lies in the input, with its index in the plane and its
  /// weight.
  ///
  /// - Parameters:
  ///   - slope: the axis by whose coordinate weights are differentiated, if any
  @inline(__always)
  func forEachCorner<Element: BinaryFloatingPoint>(
    image: Int, offsetGroup: Int, tap: Int, position: Int, offsets: UnsafePointer<Element>,
    slope: Int? = nil, _ body: (_ index: Int, _ weight: Element) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: rank) { first in
      withUnsafeTemporaryAllocation(of: Element.self, capacity: rank) { fraction in
        var (restOfTap, restOfPosition) = (tap, position)
        for axis in (0..<rank).reversed() {
          let item = axes[axis]
          let (nextTap, tapIndex) = restOfTap.quotientAndRemainder(dividingBy: item.kernel)
          let (nextPosition, place) = restOfPosition.quotientAndRemainder(dividingBy: item.output)
          (restOfTap, restOfPosition) = (nextTap, nextPosition)
          let start = place * item.step - item.padding + tapIndex * item.dilation
          let offset = offsets[
            offsetStart(image: image, offsetGroup: offsetGroup, tap: tap, axis: axis) + position]
          let coordinate = Element(start) + offset
          // NaN reads nothing either.
          guard coordinate > -1, coordinate < Element(item.extent) else { return }
          let low = coordinate.rounded(.down)
          first[axis] = Int(low)
          fraction[axis] = coordinate - low
        }
        for corner in 0..<cornerCount {
          var (index, weight, isInside) = (0, Element(1), true)
          for axis in 0..<rank {
            let isHigh = corner >> axis & 1 != 0
            let place = first[axis] + (isHigh ? 1 : 0)
            isInside = isInside && place >= 0 && place < axes[axis].extent
            index += place * axes[axis].stride
            if axis == slope {
              weight *= isHigh ? 1 : -1
            } else {
              weight *= isHigh ? fraction[axis] : 1 - fraction[axis]
            }
          }
          if isInside, weight != 0 { body(index, weight) }
        }
      }
    }
  }

  /// The interpolated element of a plane.
  @inline(__always)
  func sample<Element: BinaryFloatingPoint>(
    _ plane: UnsafePointer<Element>, image: Int, offsetGroup: Int, tap: Int, position: Int,
    offsets: UnsafePointer<Element>, slope: Int? = nil
  ) -> Element {
    var sum: Element = 0
    forEachCorner(
      image: image, offsetGroup: offsetGroup, tap: tap, position: position, offsets: offsets,
      slope: slope
    ) { index, weight in
      sum += weight * plane[index]
    }
    return sum
  }

  // MARK: Unrolling

  /// The memory of ``unroll(image:positions:x:offsets:mask:to:corners:)`` for corners.
  func cornerByteCount<Element>(_: Element.Type, positions: Int) -> Int {
    positions * (MemoryLayout<Int>.stride + MemoryLayout<Element>.stride) * cornerCount
      + positions * MemoryLayout<Int>.stride
  }

  /// Writes the elements that each tap reads for some positions: `[channels, taps, positions]`.
  func unroll<Element: BinaryFloatingPoint>(
    image: Int, positions: Range<Int>, x: UnsafePointer<Element>, offsets: UnsafePointer<Element>,
    mask: UnsafePointer<Element>?, to columns: UnsafeMutablePointer<Element>,
    corners memory: UnsafeMutableRawPointer
  ) {
    let count = positions.count
    let cornerCount = cornerCount
    let ends = memory.assumingMemoryBound(to: Int.self)
    let indices = ends + count
    let weights = UnsafeMutableRawPointer(indices + count * cornerCount)
      .assumingMemoryBound(to: Element.self)
    for offsetGroup in 0..<offsetGroupCount {
      for tap in 0..<tapCount {
        // The corners of all positions, for all channels of the group.
        let mask = mask.map {
          $0 + maskStart(image: image, offsetGroup: offsetGroup, tap: tap)
        }
        var end = 0
        for place in 0..<count {
          let position = positions.lowerBound + place
          let factor = mask.map { $0[position] } ?? 1
          forEachCorner(
            image: image, offsetGroup: offsetGroup, tap: tap, position: position, offsets: offsets
          ) { index, weight in
            indices[end] = index
            weights[end] = weight * factor
            end += 1
          }
          ends[place] = end
        }
        for channel in 0..<channelsPerOffsetGroup {
          let channel = offsetGroup * channelsPerOffsetGroup + channel
          let plane = x + (image * channels + channel) * planeCount
          let row = columns + (channel * tapCount + tap) * count
          var corner = 0
          for place in 0..<count {
            var sum: Element = 0
            while corner < ends[place] {
              sum += weights[corner] * plane[indices[corner]]
              corner += 1
            }
            row[place] = sum
          }
        }
      }
    }
  }
}
