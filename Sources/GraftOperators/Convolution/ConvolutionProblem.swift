import GraftTensor

/// A convolution or transposed convolution of known shapes, in the common form for kernels.
///
/// Each output element is a sum over channels and kernel taps. There are always three spatial axes;
/// missing ones have extent 1.
struct ConvolutionProblem: Sendable {
  /// Output positions along one axis with the same kernel taps. A convolution has one class; a
  /// transposed one has a class for each residue modulo its stride.
  struct AxisClass: Sendable {
    /// The first position, the step, and the number of positions.
    var outputStart = 0
    var outputStep = 1
    var outputCount = 1
    /// The first kernel tap, the step, and the number of taps.
    var firstTap = 0
    var tapStep = 1
    var tapCount = 1
    /// Position o and tap t, both counted within the class, read the input at
    /// o · inputStep + inputStart + t · inputTapStep.
    var inputStart = 0
    var inputStep = 1
    var inputTapStep = 1
  }

  /// The steps in elements between weights, besides those between taps, which are dense.
  struct WeightLayout: Sendable {
    var group: Int
    var row: Int
    var channel: Int
  }

  /// The roles of the node's inputs.
  struct Inputs: Sendable {
    var image = 0
    var weights = 1
    var bias: Int?
    var residual: Int?
  }

  var imageCount: Int
  var groupCount: Int
  /// The input and output channels of one group.
  var channelsPerGroup: Int
  var rowsPerGroup: Int
  var inputExtents: ThreeAxes<Int>
  var outputExtents: ThreeAxes<Int>
  var kernelExtents: ThreeAxes<Int>
  var weightLayout: WeightLayout
  /// For each axis, the classes that at least one tap reaches.
  var axisClasses: ThreeAxes<[AxisClass]>
  var inputs = Inputs()
  var activation = FusedActivation.identity

  /// The elements of one channel of input and output, and of the kernel between two channels.
  var inputPositions: Int { inputExtents.product }
  var outputPositions: Int { outputExtents.product }
  var kernelSize: Int { kernelExtents.product }
  /// The elements of one group of one image.
  var inputGroupSize: Int { channelsPerGroup * inputPositions }
  var outputGroupSize: Int { rowsPerGroup * outputPositions }

  /// Whether some output positions belong to no class because no tap reaches them.
  var leavesPositions: Bool {
    let reached = axisClasses.map { classes in classes.reduce(0) { $0 + $1.outputCount } }
    return reached != outputExtents
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
      rowsPerGroup: rows, inputExtents: try ThreeAxes(spatialAxesOf: image),
      outputExtents: try ThreeAxes(spatialAxesOf: output),
      kernelExtents: try ThreeAxes(spatialAxesOf: weights),
      weightLayout: WeightLayout(
        group: rows * weights[1] * kernelSize, row: weights[1] * kernelSize, channel: kernelSize),
      axisClasses: ThreeAxes([AxisClass()], [AxisClass()], [AxisClass()]))
    problem.setClasses(spatialRank: image.count - 2) { axis, input, output, kernel in
      let padding = attributes.padding(
        axis, rank: image.count - 2, input: input, kernel: kernel)
      return [
        AxisClass(
          outputCount: output, tapCount: kernel, inputStart: -padding.begin,
          inputStep: attributes.stride(axis), inputTapStep: attributes.dilation(axis))
      ]
    }
    problem.joinPointwiseAxes()
    return problem
  }

  /// Sets the classes of the actual axes; leading ones keep their single position.
  private mutating func setClasses(
    spatialRank: Int,
    _ makeClasses: (_ axis: Int, _ input: Int, _ output: Int, _ kernel: Int) -> [AxisClass]
  ) {
    func classes(_ axis: KeyPath<ThreeAxes<Int>, Int>, at index: Int) -> [AxisClass] {
      guard index >= 0 else { return [AxisClass()] }
      return makeClasses(
        index, inputExtents[keyPath: axis], outputExtents[keyPath: axis],
        kernelExtents[keyPath: axis])
    }
    axisClasses = ThreeAxes(
      classes(\.depth, at: spatialRank - 3), classes(\.height, at: spatialRank - 2),
      classes(\.width, at: spatialRank - 1))
  }

  /// A convolution with a one-element kernel that visits all positions reads one long row.
  private mutating func joinPointwiseAxes() {
    let isPointwise =
      kernelSize == 1 && inputExtents == outputExtents
      && axisClasses.allSatisfy { $0[0].inputStart == 0 && $0[0].inputStep == 1 }
    guard isPointwise else { return }
    inputExtents = ThreeAxes(1, 1, outputPositions)
    outputExtents = inputExtents
    axisClasses = ThreeAxes(
      [AxisClass()], [AxisClass()], [AxisClass(outputCount: outputPositions)])
  }

  /// The transpose of a convolution: spreads `image` ([N, C, …]) through `weights` ([C, M / group,
  /// …]).
  ///
  /// - Parameter paddings: the convolution's padding before each axis of its input, which is the
  ///   output here
  static func transposed(
    _ attributes: ConvolutionAttributes, image: Shape, weights: Shape, output: Shape,
    paddings: [Int]
  ) throws -> ConvolutionProblem {
    let kernelSize = weights.dropFirst(2).reduce(1, *)
    let channels = weights[0] / attributes.groupCount
    var problem = ConvolutionProblem(
      imageCount: image[0], groupCount: attributes.groupCount, channelsPerGroup: channels,
      rowsPerGroup: weights[1], inputExtents: try ThreeAxes(spatialAxesOf: image),
      outputExtents: try ThreeAxes(spatialAxesOf: output),
      kernelExtents: try ThreeAxes(spatialAxesOf: weights),
      weightLayout: WeightLayout(
        group: channels * weights[1] * kernelSize, row: kernelSize,
        channel: weights[1] * kernelSize),
      axisClasses: ThreeAxes([AxisClass()], [AxisClass()], [AxisClass()]))
    problem.setClasses(spatialRank: paddings.count) { axis, _, output, kernel in
      residueClasses(
        stride: attributes.stride(axis), dilation: attributes.dilation(axis),
        padding: paddings[axis], kernel: kernel, output: output)
    }
    return problem
  }

  /// Output position o reads input position (o + padding - tap · dilation) / stride, where that is
  /// an integer; the taps depend on o modulo stride.
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
