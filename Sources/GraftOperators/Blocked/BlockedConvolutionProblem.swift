import CGraftKernels

/// A two-dimensional convolution of known shapes in the blocked layout.
struct BlockedConvolutionProblem: Sendable {
  /// A pair of extents or steps.
  struct Axes: Sendable, Equatable {
    var height: Int
    var width: Int

    var product: Int { height * width }
  }

  let imageCount: Int
  let groupCount: Int
  /// Channels of all groups.
  let inputChannels: Int
  let outputChannels: Int
  let input: Axes
  let output: Axes
  let kernel: Axes
  let stride: Axes
  let dilation: Axes
  /// Zeros in front of the first row and column.
  let padding: Axes
  /// Rows and columns that taps reach, padding included.
  let reached: Axes
  let isPlanar: Bool
  let pools: Bool
  let hasBias: Bool
  let hasResidual: Bool
  let activation: graft_activation

  init(_ node: BlockedConv, _ context: PrepareContext) throws {
    let image = try context.input(0).shape
    let weights = try context.input(1).shape
    let attributes = node.attributes
    imageCount = image[0]
    groupCount = attributes.groupCount
    inputChannels = weights[1] * attributes.groupCount
    outputChannels = weights[0]
    input = Axes(height: image[2], width: image[3])
    kernel = Axes(height: weights[2], width: weights[3])
    stride = Axes(height: attributes.stride(0), width: attributes.stride(1))
    dilation = Axes(height: attributes.dilation(0), width: attributes.dilation(1))
    output = Axes(
      height: try attributes.outputExtent(0, rank: 2, input: input.height, kernel: kernel.height),
      width: try attributes.outputExtent(1, rank: 2, input: input.width, kernel: kernel.width))
    padding = Axes(
      height: attributes.padding(0, rank: 2, input: input.height, kernel: kernel.height).begin,
      width: attributes.padding(1, rank: 2, input: input.width, kernel: kernel.width).begin)
    reached = Axes(
      height: (output.height - 1) * stride.height
        + attributes.coverage(0, kernel: kernel.height),
      width: (output.width - 1) * stride.width + attributes.coverage(1, kernel: kernel.width))
    isPlanar = node.isPlanar
    pools = node.pools
    hasBias = context.hasInput(2)
    hasResidual = context.hasInput(3)
    activation = node.activation.parameters
  }

  /// Blocks of channels, of a planar input its channels.
  var inputParts: Int { isPlanar ? inputChannels : blockCount(inputChannels) }
  var outputBlocks: Int { blockCount(outputChannels) }
  /// Floats of a pixel of the input.
  var pixelSize: Int { isPlanar ? 1 : channelBlock }

  /// Whether taps reach beyond the input.
  var needsPadding: Bool {
    padding != Axes(height: 0, width: 0) || reached.height > input.height
      || reached.width > input.width
  }

  /// Whether the kernel has one tap and visits all pixels: they are one long row then.
  var isPointwise: Bool {
    kernel.product == 1 && stride.product == 1 && !needsPadding && output == input
  }

  /// Panels that the output channels are dealt to.
  func panelCount(_ table: graft_blocked_table) -> Int {
    (outputBlocks * channelBlock + table.panel_columns - 1) / table.panel_columns
  }
}

extension BlockedConvolutionProblem {
  /// What the kernels were measured to do on one thread (see docs/performance.md), in nanoseconds. The choice of
  /// an algorithm decides the bits, so that these numbers are the same for all machines of an instruction
  /// set.
  private struct Costs {
    /// Of a multiply-add.
    let multiplyAdd: Double
    /// Of transforming one block at one point of a Winograd tile.
    let transformedPoint: Double
    /// Of a byte of weights from memory.
    let weightByte = 0.05

    init(_ instructionSet: InstructionSet) {
      switch instructionSet {
      case .avx512, .amx: (multiplyAdd, transformedPoint) = (1 / 125.0, 2.7)
      case .avx2: (multiplyAdd, transformedPoint) = (1 / 60.0, 5)
      case .scalar: (multiplyAdd, transformedPoint) = (1 / 20.0, 10)
      }
    }

    /// Computing goes on while weights are on their way, for the most part.
    func total(compute: Double, weightBytes: Double) -> Double {
      let memory = weightBytes * weightByte
      return max(compute, memory) + min(compute, memory) / 4
    }
  }

  /// The extent of Winograd's tiles that promises the shortest time; `nil` if computing directly does.
  func winogradTileExtent(_ instructionSet: InstructionSet) -> Int? {
    guard kernel == Axes(height: 3, width: 3), stride.product == 1, dilation.product == 1,
      groupCount == 1, !isPlanar
    else { return nil }
    let costs = Costs(instructionSet)
    let channelPairs = Double(inputParts * outputBlocks * channelBlock * channelBlock)
    var best: Int?
    var bestCost = costs.total(
      compute: channelPairs * Double(9 * imageCount * output.product) * costs.multiplyAdd,
      weightBytes: channelPairs * 36)
    for extent in [2, 4, 6] {
      let points = Double((extent + 2) * (extent + 2))
      let tiles = Double(tileCount(extent: extent))
      let transforms =
        tiles * points * Double(inputParts + outputBlocks) * costs.transformedPoint
      let cost = costs.total(
        compute: channelPairs * tiles * points * costs.multiplyAdd + transforms,
        weightBytes: channelPairs * points * 4)
      // Larger tiles round more: they have to be worth it.
      if cost < bestCost * 0.95 { (best, bestCost) = (extent, cost) }
    }
    return best
  }

  /// Tiles of all images.
  func tileCount(extent: Int) -> Int {
    imageCount * ((output.height + extent - 1) / extent) * ((output.width + extent - 1) / extent)
  }
}
