import CGraftKernels
import GraftExecution

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
  /// The channels of all groups.
  let inputChannels: Int
  let outputChannels: Int
  let input: Axes
  let output: Axes
  let kernel: Axes
  let stride: Axes
  let dilation: Axes
  /// Zeros before the first row and column.
  let padding: Axes
  /// The rows and columns that taps reach, including padding.
  let reached: Axes
  let isPlanar: Bool
  let pools: Bool
  let hasBias: Bool
  let hasResidual: Bool
  let activation: graft_activation

  init(_ node: BlockedConv, _ context: PrepareContext) throws {
    let image = try context.input(0).shape
    let weights = try context.input(1).shape
    let attributes = node.convolution.attributes
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
    activation = node.convolution.activation.parameters
  }

  /// The blocks of channels, or the channels of a planar input.
  var inputParts: Int { isPlanar ? inputChannels : blockCount(inputChannels) }
  var outputBlocks: Int { blockCount(outputChannels) }
  /// The floats of an input pixel.
  var pixelSize: Int { isPlanar ? 1 : channelBlock }

  /// Whether taps reach beyond the input.
  var needsPadding: Bool {
    padding != Axes(height: 0, width: 0) || reached.height > input.height
      || reached.width > input.width
  }

  /// Whether the kernel has one tap and visits all pixels, which then form one long row.
  var isPointwise: Bool {
    kernel.product == 1 && stride.product == 1 && !needsPadding && output == input
  }

  /// The panels over which the output channels are distributed.
  func panelCount(panelColumns: Int) -> Int {
    (outputBlocks * channelBlock + panelColumns - 1) / panelColumns
  }

  /// Tiles of all images.
  func tileCount(extent: Int) -> Int {
    imageCount * ((output.height + extent - 1) / extent) * ((output.width + extent - 1) / extent)
  }
}

extension BlockedConvolutionProblem: CustomStringConvertible {
  /// Everything that affects its time, as text.
  var description: String {
    func text(_ axes: Axes) -> String { "\(axes.height)x\(axes.width)" }
    var parts = [
      "\(imageCount)x\(inputChannels)x\(text(input)) to \(outputChannels)x\(text(output))",
      "kernel \(text(kernel))", "stride \(text(stride))", "dilation \(text(dilation))",
      "padding \(text(padding))", "groups \(groupCount)",
    ]
    if isPlanar { parts.append("planar") }
    if pools { parts.append("pools") }
    if hasResidual { parts.append("residual") }
    return parts.joined(separator: ", ")
  }
}
