import GraftFiles
import GraftGraph
import GraftTensor
import TestSupport
import Testing

/// A convolution of small extents, and what it and its gradients are by definition.
struct ConvolutionCase: CustomTestStringConvertible, Sendable {
  var elementType = ElementType.float
  var images: Int
  var groups: Int
  /// Per group.
  var channels: Int
  var rows: Int
  var spatial: [Int]
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var pads: [Int]

  init(images: Int, groups: Int, channels: Int, rows: Int, rank: Int = 2) {
    self.images = images
    self.groups = groups
    self.channels = channels
    self.rows = rows
    spatial = [Int](repeating: 1, count: rank)
    kernel = spatial
    strides = spatial
    dilations = spatial
    pads = [Int](repeating: 0, count: 2 * rank)
  }

  var testDescription: String {
    "\(elementType) \(imageShape) with \(weightShape) groups \(groups) strides \(strides) "
      + "dilations \(dilations) pads \(pads)"
  }

  var imageShape: Shape { [images, groups * channels] + spatial }
  var weightShape: Shape { [groups * rows, channels] + kernel }

  var outputShape: Shape {
    let rank = spatial.count
    return [images, groups * rows]
      + (0..<rank).map { axis in
        let room =
          spatial[axis] + pads[axis] + pads[axis + rank] - (kernel[axis] - 1) * dilations[axis] - 1
        return room / strides[axis] + 1
      }
  }

  var attributes: [ByteString: Attribute] {
    [
      "group": .int(groups), "strides": .ints(strides), "dilations": .ints(dilations),
      "pads": .ints(pads),
    ]
  }

  /// Cases for what the kernels treat apart.
  static var fixed: [ConvolutionCase] {
    var pointwise = ConvolutionCase(images: 2, groups: 1, channels: 20, rows: 17)
    pointwise.spatial = [6, 7]
    var deep = ConvolutionCase(images: 1, groups: 1, channels: 70, rows: 30)
    deep.spatial = [7, 7]
    deep.kernel = [3, 3]
    deep.pads = [1, 1, 1, 1]
    var depthwise = ConvolutionCase(images: 1, groups: 5, channels: 1, rows: 1)
    depthwise.spatial = [9, 70]
    depthwise.kernel = [3, 3]
    depthwise.strides = [2, 1]
    depthwise.pads = [1, 1, 1, 1]
    var multiplied = ConvolutionCase(images: 2, groups: 3, channels: 1, rows: 2)
    multiplied.spatial = [11, 12]
    multiplied.kernel = [2, 3]
    multiplied.strides = [1, 3]
    multiplied.dilations = [2, 2]
    multiplied.pads = [0, 2, 1, 3]
    var sparse = ConvolutionCase(images: 1, groups: 1, channels: 2, rows: 3)
    sparse.spatial = [9, 8]
    sparse.strides = [3, 2]
    var wide = ConvolutionCase(images: 1, groups: 1, channels: 3, rows: 8)
    wide.spatial = [20, 41]
    wide.kernel = [5, 5]
    wide.strides = [2, 2]
    wide.pads = [2, 2, 2, 2]
    var volume = ConvolutionCase(images: 2, groups: 2, channels: 2, rows: 3, rank: 3)
    volume.spatial = [4, 5, 6]
    volume.kernel = [2, 3, 3]
    volume.pads = [1, 0, 1, 0, 1, 1]
    // Few output positions: padded, without padding from one channel, and a single one.
    var short = ConvolutionCase(images: 2, groups: 2, channels: 37, rows: 35, rank: 1)
    short.spatial = [5]
    short.kernel = [3]
    short.pads = [1, 1]
    var framed = ConvolutionCase(images: 2, groups: 1, channels: 1, rows: 21, rank: 1)
    framed.spatial = [90]
    framed.kernel = [30]
    framed.strides = [20]
    var single = ConvolutionCase(images: 3, groups: 1, channels: 70, rows: 37)
    single.spatial = [2, 3]
    single.strides = [2, 3]
    return [
      pointwise, deep, depthwise, multiplied, sparse, wide, volume, short, framed, single,
    ]
  }

  static func random(count: Int, seed: UInt64) -> [ConvolutionCase] {
    var generator = Generator(seed: seed)
    func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    return (0..<count).map { _ in
      let rank = pick(1...3)
      let isDepthwise = pick(0...3) == 0
      var result = ConvolutionCase(
        images: pick(1...3), groups: isDepthwise ? pick(2...5) : pick(1...2),
        channels: isDepthwise ? 1 : pick(1...9), rows: pick(1...(isDepthwise ? 2 : 18)), rank: rank)
      if pick(0...3) == 0 { result.elementType = .double }
      result.kernel = (0..<rank).map { _ in pick(1...3) }
      result.strides = (0..<rank).map { _ in pick(1...3) }
      result.dilations = (0..<rank).map { _ in pick(1...2) }
      result.pads = (0..<(2 * rank)).map { _ in pick(0...2) }
      result.spatial = (0..<rank).map { axis in
        let smallest = (result.kernel[axis] - 1) * result.dilations[axis] + 1
        return pick(smallest...(smallest + (rank == 1 ? 60 : rank == 2 ? 12 : 4)))
      }
      return result
    }
  }

  /// Calls `body` with the places of image, weight and output element of each product of the sum.
  private func forEachProduct(_ body: (_ image: Int, _ weight: Int, _ output: Int) -> Void) {
    let rank = spatial.count
    let output = Array(outputShape.dropFirst(2))
    func place(_ index: Int, in extents: [Int]) -> [Int] {
      var rest = index
      return extents.reversed().map { extent in
        defer { rest /= extent }
        return rest % extent
      }.reversed()
    }
    let outputPlaces = (0..<output.elementCount).map { place($0, in: output) }
    let tapPlaces = (0..<kernel.elementCount).map { place($0, in: kernel) }
    let imageSize = spatial.elementCount
    for (outputIndex, outputPlace) in outputPlaces.enumerated() {
      for (tapIndex, tap) in tapPlaces.enumerated() {
        var imageIndex = 0
        var isInside = true
        for axis in 0..<rank {
          let position =
            outputPlace[axis] * strides[axis] - pads[axis] + tap[axis] * dilations[axis]
          isInside = isInside && position >= 0 && position < spatial[axis]
          imageIndex = imageIndex * spatial[axis] + position
        }
        guard isInside else { continue }
        for row in 0..<(groups * rows) {
          for channel in 0..<channels {
            let inputChannel = row / rows * channels + channel
            for image in 0..<images {
              body(
                (image * groups * channels + inputChannel) * imageSize + imageIndex,
                (row * channels + channel) * kernel.elementCount + tapIndex,
                (image * groups * rows + row) * output.elementCount + outputIndex)
            }
          }
        }
      }
    }
  }

  func convolution(_ image: Tensor, _ weights: Tensor) throws -> Reference {
    let (x, w) = (try image.reals(), try weights.reals())
    var reference = Reference(shape: outputShape)
    forEachProduct { image, weight, output in reference.add(x[image] * w[weight], at: output) }
    return reference
  }

  func imageGradient(_ gradient: Tensor, _ weights: Tensor) throws -> Reference {
    let (y, w) = (try gradient.reals(), try weights.reals())
    var reference = Reference(shape: imageShape)
    forEachProduct { image, weight, output in reference.add(y[output] * w[weight], at: image) }
    return reference
  }

  func weightGradient(_ gradient: Tensor, _ image: Tensor) throws -> Reference {
    let (y, x) = (try gradient.reals(), try image.reals())
    var reference = Reference(shape: weightShape)
    forEachProduct { image, weight, output in reference.add(y[output] * x[image], at: weight) }
    return reference
  }
}
