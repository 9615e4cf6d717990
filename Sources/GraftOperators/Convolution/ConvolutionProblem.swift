/// A convolution or transposed convolution of known shapes, in the one form that the kernels take.
///
/// Each output element is a sum over channels and kernel taps. All have three spatial axes; those that a
/// convolution lacks have extent 1.
struct ConvolutionProblem: Sendable {
  /// Output positions along one axis that share their kernel taps. Those of a convolution are one class; of a
  /// transposed one there is a class for each residue modulo its stride.
  struct AxisClass: Sendable {
    /// The first position, from one to the next, and how many there are.
    var outputStart = 0
    var outputStep = 1
    var outputCount = 1
    /// The kernel taps: the first, from one to the next, and how many there are.
    var firstTap = 0
    var tapStep = 1
    var tapCount = 1
    /// Position o (counted within the class) and tap t (likewise) meet the input at
    /// o · inputStep + inputStart + t · inputTapStep.
    var inputStart = 0
    var inputStep = 1
    var inputTapStep = 1
  }

  /// Steps in elements between weights, besides those between taps, which are dense.
  struct WeightLayout: Sendable {
    var group: Int
    var row: Int
    var channel: Int
  }

  /// Which of the node's inputs plays which part.
  struct Inputs: Sendable {
    var image = 0
    var weights = 1
    var bias: Int?
    var residual: Int?
  }

  var imageCount: Int
  var groupCount: Int
  /// Input channels and output channels of one group.
  var channelsPerGroup: Int
  var rowsPerGroup: Int
  var inputExtents: [Int]
  var outputExtents: [Int]
  var kernelExtents: [Int]
  var weightLayout: WeightLayout
  /// For each axis the classes that at least one tap reaches.
  var axisClasses: [[AxisClass]]
  var inputs = Inputs()
  var activation = FusedActivation.identity

  var outputPositions: Int { outputExtents.elementCount }
  var kernelSize: Int { kernelExtents.elementCount }

  /// Whether some output positions belong to no class: no tap reaches them.
  var leavesPositions: Bool {
    zip(axisClasses, outputExtents).contains { classes, extent in
      classes.reduce(0) { $0 + $1.outputCount } < extent
    }
  }

  /// The extents of the spatial axes, with axes of extent 1 in front.
  static func threeAxes(_ shape: Shape) throws -> [Int] {
    let spatial = Array(shape.dropFirst(2))
    guard spatial.count <= 3 else {
      throw GraftError.unsupported(
        "convolution of \(spatial.count) spatial axes; there are kernels for 1 to 3")
    }
    return [Int](repeating: 1, count: 3 - spatial.count) + spatial
  }
}

extension ConvolutionProblem {
  /// A convolution of `image` ([N, C, …]) with `weights` ([M, C / group, …]).
  static func convolution(
    _ attributes: ConvolutionAttributes, image: Shape, weights: Shape, output: Shape
  ) throws -> ConvolutionProblem {
    let kernelSize = weights.dropFirst(2).reduce(1, *)
    let rows = weights[0] / attributes.groupCount
    var problem = ConvolutionProblem(
      imageCount: image[0], groupCount: attributes.groupCount, channelsPerGroup: weights[1],
      rowsPerGroup: rows, inputExtents: try threeAxes(image),
      outputExtents: try threeAxes(output), kernelExtents: try threeAxes(weights),
      weightLayout: WeightLayout(
        group: rows * weights[1] * kernelSize, row: weights[1] * kernelSize, channel: kernelSize),
      axisClasses: [])
    problem.axisClasses = (0..<3).map { axis in
      let spatialRank = image.count - 2
      let index = axis - (3 - spatialRank)
      guard index >= 0 else { return [AxisClass()] }
      let kernel = problem.kernelExtents[axis]
      let padding = attributes.padding(
        index, rank: spatialRank, input: problem.inputExtents[axis], kernel: kernel)
      return [
        AxisClass(
          outputCount: problem.outputExtents[axis], tapCount: kernel, inputStart: -padding.begin,
          inputStep: attributes.stride(index), inputTapStep: attributes.dilation(index))
      ]
    }
    problem.joinPointwiseAxes()
    return problem
  }

  /// A convolution with a kernel of one element that visits all positions sees one long row.
  private mutating func joinPointwiseAxes() {
    let isPointwise =
      kernelSize == 1 && inputExtents == outputExtents
      && axisClasses.allSatisfy { $0[0].inputStart == 0 && $0[0].inputStep == 1 }
    guard isPointwise else { return }
    let positions = outputPositions
    inputExtents = [1, 1, positions]
    outputExtents = inputExtents
    axisClasses = [[AxisClass()], [AxisClass()], [AxisClass(outputCount: positions)]]
  }

  /// The transpose of a convolution: spreads `image` ([N, C, …]) through `weights` ([C, M / group, …]).
  ///
  /// - Parameter paddings: what the convolution padded in front of each axis of its input, which is the
  ///   output here
  static func transposed(
    _ attributes: ConvolutionAttributes, image: Shape, weights: Shape, output: Shape,
    paddings: [Int]
  ) throws -> ConvolutionProblem {
    let kernelSize = weights.dropFirst(2).reduce(1, *)
    let channels = weights[0] / attributes.groupCount
    var problem = ConvolutionProblem(
      imageCount: image[0], groupCount: attributes.groupCount, channelsPerGroup: channels,
      rowsPerGroup: weights[1], inputExtents: try threeAxes(image),
      outputExtents: try threeAxes(output), kernelExtents: try threeAxes(weights),
      weightLayout: WeightLayout(
        group: channels * weights[1] * kernelSize, row: kernelSize,
        channel: weights[1] * kernelSize),
      axisClasses: [])
    problem.axisClasses = (0..<3).map { axis in
      let index = axis - (3 - paddings.count)
      guard index >= 0 else { return [AxisClass()] }
      return residueClasses(
        stride: attributes.stride(index), dilation: attributes.dilation(index),
        padding: paddings[index], kernel: problem.kernelExtents[axis],
        output: problem.outputExtents[axis])
    }
    return problem
  }

  /// Output position o meets input position (o + padding - tap · dilation) / stride, where that is whole: which
  /// taps those are depends on o modulo stride.
  private static func residueClasses(
    stride: Int, dilation: Int, padding: Int, kernel: Int, output: Int
  ) -> [AxisClass] {
    let divisor = greatestCommonDivisor(stride, dilation)
    let tapStep = stride / divisor
    var classes: [AxisClass] = []
    for firstTap in 0..<min(kernel, tapStep) {
      let shift = firstTap * dilation - padding
      let start = ((shift % stride) + stride) % stride
      guard start < output else { continue }
      classes.append(
        AxisClass(
          outputStart: start, outputStep: stride, outputCount: (output - start - 1) / stride + 1,
          firstTap: firstTap, tapStep: tapStep, tapCount: (kernel - firstTap - 1) / tapStep + 1,
          inputStart: (start - shift) / stride, inputStep: 1, inputTapStep: -dilation / divisor))
    }
    return classes
  }

  private static func greatestCommonDivisor(_ first: Int, _ second: Int) -> Int {
    second == 0 ? first : greatestCommonDivisor(second, first % second)
  }
}
