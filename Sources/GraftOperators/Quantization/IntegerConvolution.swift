import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// A convolution of bytes whose sums are integers.
///
/// A first phase brings the image into the form for products: pixels with adjacent channels, with
/// their border. The taps of a window are then steps of a sum at fixed offsets, and the pixels of
/// an output line are rows at a fixed distance.
struct IntegerConvolution: Sendable {
  /// The roles of the node's inputs.
  struct Inputs: Sendable {
    var image: Int
    var imageZeroPoint: Int?
    var weights: Int
    var weightZeroPoints: Int?
    var bias: Int?
  }

  /// Whether channels are the last axis, of the image and of the result.
  struct Layout: Sendable {
    var isImageChannelsLast = false
    var isResultChannelsLast = false
  }

  /// The extents of an axis.
  private struct Axis: Sendable {
    let input: Int
    let output: Int
    let stride: Int
    let dilation: Int
    let taps: Int
    /// The border before the image, the image's extent as far as windows reach, and all that they
    /// reach.
    let border: Int
    let content: Int
    let reached: Int

    init(_ axis: ConvolutionProblem.AxisClass, input: Int) {
      self.input = input
      output = axis.outputCount
      stride = axis.inputStep
      dilation = axis.inputTapStep
      taps = axis.tapCount
      reached = max(0, output - 1) * stride + (taps - 1) * dilation + 1
      border = min(-axis.inputStart, reached)
      content = min(input, reached - border)
    }
  }

  private let problem: ConvolutionProblem
  private let inputs: Inputs
  private let result: IntegerResult
  private let layout: Layout
  private let instructions: IntegerInstructions
  private let imageKind: ByteKind
  private let weightKind: ByteKind
  private let axes: ThreeAxes<Axis>
  private let isDepthwise: Bool
  /// Offsets of the steps, in bytes, and the depth of each.
  private let steps: [Int]
  private let stepDepth: Int
  private let weights: PackedIntegerWeights
  private let parameters: ColumnParameters
  private let hasWeightZeroPoints: Bool
  /// One for all channels, or one for each.
  private let weightZeroPointCount: Int
  private let weightScaleCount: Int
  /// The offset of the prepared image in scratch memory; `nil` if it is read in place.
  private let imageOffset: Int?
  private let split: Split
  private var scratch = ScratchLayout()

  /// How the lines of a slab (an image at one depth), or the positions of its only line, are
  /// divided into tasks, and the panels of a group. Depends on shapes only.
  private struct Split: Sendable {
    var parts = 1
    var panelParts = 1

    private static let wantedTaskCount = 16
    /// The smallest number of multiply-adds for a task.
    private static let minimumWork = 1 << 18
    /// The bytes of activations that a task rereads for each panel.
    private static let cacheSize = 64 << 10

    /// - Parameters:
    ///   - units: the lines or positions of a slab
    ///   - slabByteCount: the bytes of a slab's activations
    ///   - weightByteCount: the bytes of a group's weights
    ///   - repetitions: groups times slabs
    init(
      units: Int, panels: Int, slabByteCount: Int, weightByteCount: Int, work: Double,
      repetitions: Int
    ) {
      parts = max(1, min(units, slabByteCount / Split.cacheSize))
      while repetitions * parts * panelParts < Split.wantedTaskCount,
        work / Double(parts * panelParts * 2) >= Double(Split.minimumWork)
      {
        // What is larger should be read by few tasks.
        let dividesPanels = weightByteCount / panelParts > slabByteCount / parts
        if panels / (panelParts * 2) >= 1, dividesPanels || parts * 2 > units {
          panelParts *= 2
        } else if parts * 2 <= units {
          parts *= 2
        } else {
          break
        }
      }
    }
  }

  /// - Parameter problem: of the shapes with channels first
  init(
    _ problem: ConvolutionProblem, _ inputs: Inputs, _ result: IntegerResult,
    _ layout: Layout, _ context: PrepareContext
  ) throws {
    self.problem = problem
    self.inputs = inputs
    self.result = result
    self.layout = layout
    instructions = IntegerInstructions(context)
    imageKind = ByteKind(try context.input(inputs.image).elementType)
    weightKind = ByteKind(try context.input(inputs.weights).elementType)
    let classes = problem.axisClasses
    axes = ThreeAxes(
      Axis(classes.depth[0], input: problem.inputExtents.depth),
      Axis(classes.height[0], input: problem.inputExtents.height),
      Axis(classes.width[0], input: problem.inputExtents.width))
    let (groups, channels) = (problem.groupCount, problem.channelsPerGroup)
    isDepthwise = channels == 1 && problem.rowsPerGroup == 1 && groups > 1
    let product = isDepthwise ? instructions.depthwise : instructions.product

    // The taps of a line are one step where their channels are adjacent.
    let joinsWidth = groups == 1 && axes.width.dilation == 1
    let widthSteps = joinsWidth ? 1 : axes.width.taps
    stepDepth = channels * (joinsWidth ? axes.width.taps : 1)
    var steps: [Int] = []
    var offsets: [Int] = []
    let padding = [Int](repeating: -1, count: product.paddedDepth(stepDepth) - stepDepth)
    let (rows, lines) = (axes.width.reached, axes.height.reached)
    for depth in 0..<axes.depth.taps {
      for height in 0..<axes.height.taps {
        for width in 0..<widthSteps {
          let line = depth * axes.depth.dilation * lines + height * axes.height.dilation
          let pixel = line * rows + width * axes.width.dilation
          steps.append(pixel * groups * channels * product.activationWidth)
          let tap = (depth * axes.height.taps + height) * axes.width.taps + width
          // Adjacent activations are the channels of a tap, then those of the next one.
          for k in 0..<stepDepth {
            let (next, channel) = k.quotientAndRemainder(dividingBy: max(1, channels))
            offsets.append(channel * problem.kernelSize + tap + next)
          }
          offsets += padding
        }
      }
    }
    self.steps = steps
    weights = try PackedIntegerWeights(
      isDepthwise
        ? .init(
          groupCount: 1, groupStride: 0, columnCount: groups, columnStride: problem.kernelSize,
          offsets: offsets, isDepthwise: true)
        : .init(
          groupCount: groups, groupStride: problem.weightLayout.group,
          columnCount: problem.rowsPerGroup, columnStride: problem.weightLayout.row,
          offsets: offsets),
      input: inputs.weights, scratch: &scratch, context)
    let groupColumns = weights.paddedColumns
    parameters = try ColumnParameters(
      count: (isDepthwise ? 1 : groups) * groupColumns, bias: inputs.bias, scratch: &scratch,
      context)
    hasWeightZeroPoints = context.hasZeroPoints(
      ofWeights: inputs.weightZeroPoints, kind: weightKind)
    func count(_ index: Int?) throws -> Int {
      guard let index, context.hasInput(index) else { return 0 }
      return try context.input(index).elementCount
    }
    weightZeroPointCount = try count(inputs.weightZeroPoints)
    switch result {
    case .sums: weightScaleCount = 0
    case .floats(_, let rightScale): weightScaleCount = try count(rightScale)
    case .bytes(let requantization): weightScaleCount = try count(requantization.rightScale)
    }

    let isWhole = axes.allSatisfy { $0.border == 0 && $0.input == $0.reached }
    let fitsGroups =
      isDepthwise
      ? groups % product.panel_columns == 0 : stepDepth % product.group_depth == 0
    if layout.isImageChannelsLast, isWhole, product.keepsZeroPoints, !imageKind.isSigned, fitsGroups
    {
      imageOffset = nil
    } else {
      let extents = [
        problem.imageCount, axes.depth.reached, axes.height.reached, axes.width.reached, groups,
        channels, product.activationWidth,
      ]
      // Sums read whole groups, and windows whole panels of channels, beyond the end.
      imageOffset = try scratch.reserve(
        byteCount: min(extents.checkedProduct ?? .max, .max - 64) + 64)
    }
    let lineCount = axes.height.output
    let slabByteCount =
      min(axes.height.reached, lineCount * axes.height.stride) * axes.width.reached * groups
      * channels * product.activationWidth
    let depth = steps.count * stepDepth
    let slabs = problem.imageCount * axes.depth.output
    split = Split(
      units: lineCount > 1 ? lineCount : axes.width.output,
      panels: groupColumns / product.panel_columns,
      slabByteCount: slabByteCount, weightByteCount: groupColumns * depth,
      work: Double(lineCount) * Double(axes.width.output) * Double(depth) * Double(groupColumns),
      repetitions: slabs * (isDepthwise ? 1 : groups))
  }

  private var product: graft_integer_product {
    isDepthwise ? instructions.depthwise : instructions.product
  }

  func kernel() -> PreparedKernel {
    let groups = isDepthwise ? 1 : problem.groupCount
    let slabs = problem.imageCount * axes.depth.output
    let rows = (axes.height.output + split.parts - 1) / split.parts * axes.width.output
    return PreparedKernel(
      phases: [
        weights.phase,
        preparation,
        PreparedKernel.Phase(taskCount: slabs * groups * split.parts * split.panelParts) {
          [self] arguments, task in
          let (rest, panelPart) = task.quotientAndRemainder(dividingBy: split.panelParts)
          let (slabAndGroup, part) = rest.quotientAndRemainder(dividingBy: split.parts)
          let (slab, group) = slabAndGroup.quotientAndRemainder(dividingBy: groups)
          multiply(arguments, slab: slab, group: group, part: part, panelPart: panelPart)
        },
      ].compactMap { $0 },
      scratchByteCount: scratch.byteCount,
      workerScratchByteCount: hasWeightZeroPoints ? rows * MemoryLayout<Int32>.stride : 0)
  }

  // MARK: Preparation

  /// The activations of a task of the first phase.
  private static let preparedCount = 1 << 15

  /// Makes the parameters of columns, and brings the image into its form.
  private var preparation: PreparedKernel.Phase {
    let channels = problem.groupCount * problem.channelsPerGroup
    let pixels = axes.width.reached
    let segments = max(1, min(pixels, pixels * channels / Self.preparedCount))
    let lines = problem.imageCount * axes.depth.reached * axes.height.reached
    let units = imageOffset == nil ? 0 : lines * segments
    let unitSize = max(1, pixels * channels / segments)
    let taskCount = min(units, max(1, units * unitSize / Self.preparedCount))
    return PreparedKernel.Phase(taskCount: 1 + taskCount) { [self] arguments, task in
      if task == 0 {
        makeParameters(arguments)
        return
      }
      for unit in evenRange(of: units, part: task - 1, partCount: taskCount) {
        let (line, segment) = unit.quotientAndRemainder(dividingBy: segments)
        prepare(
          arguments, line: line,
          pixels: evenRange(of: pixels, part: segment, partCount: segments))
      }
    }
  }

  private func imageZeroPoint(_ arguments: KernelArguments) -> Int32 {
    guard let input = inputs.imageZeroPoint, arguments.hasInput(input) else { return 0 }
    return imageKind.integer(arguments.input(input))
  }

  /// Prepares some pixels of a line of the image with its border.
  private func prepare(_ arguments: KernelArguments, line: Int, pixels: Range<Int>) {
    guard let imageOffset, let scratch = arguments.scratch else { return }
    let product = product
    let channels = problem.groupCount * problem.channelsPerGroup
    let (slab, height) = line.quotientAndRemainder(dividingBy: axes.height.reached)
    let (image, depth) = slab.quotientAndRemainder(dividingBy: axes.depth.reached)
    var description = graft_activation_line()
    description.channels = channels
    description.is_signed = imageKind.isSigned ? 1 : 0
    description.zero_point = imageZeroPoint(arguments)
    description.target =
      scratch + imageOffset
      + (line * axes.width.reached + pixels.lowerBound) * channels * product.activationWidth
    let content = axes.width.border..<axes.width.border + axes.width.content
    let inside = pixels.clamped(to: content)
    let (y, z) = (height - axes.height.border, depth - axes.depth.border)
    if (0..<axes.height.content).contains(y), (0..<axes.depth.content).contains(z),
      !inside.isEmpty
    {
      let x = inside.lowerBound - axes.width.border
      let position = (z * axes.height.input + y) * axes.width.input + x
      let imageSize = channels * problem.inputPositions
      description.source =
        arguments.input(inputs.image) + image * imageSize
        + (layout.isImageChannelsLast ? position * channels : position)
      description.pixel_stride = layout.isImageChannelsLast ? channels : 1
      description.channel_stride = layout.isImageChannelsLast ? 1 : problem.inputPositions
      description.left = inside.lowerBound - pixels.lowerBound
      description.width = inside.count
      description.right = pixels.upperBound - inside.upperBound
    } else {
      description.width = pixels.count
    }
    instructions.table.prepare_line(&description, product.activation_form)
  }

  private func makeParameters(_ arguments: KernelArguments) {
    parameters.clear(arguments)
    guard let offsets = parameters.offsets(arguments),
      let zeroPoints = parameters.zeroPoints(arguments),
      let multipliers = parameters.multipliers(arguments)
    else { return }
    let rows = problem.rowsPerGroup
    let zeroPoint = imageZeroPoint(arguments) + imageKind.activationShift
    let addsZeroPoint = product.keepsZeroPoints && !isDepthwise
    for channel in 0..<problem.groupCount * rows {
      let (group, row) = channel.quotientAndRemainder(dividingBy: rows)
      let place = isDepthwise ? channel : group * weights.paddedColumns + row
      if let bias = inputs.bias, arguments.hasInput(bias) {
        parameters.setBias(place, arguments, input: bias, channel, result)
      }
      if addsZeroPoint, let sums = weights.sums(arguments, group: group) {
        offsets[place] &-= zeroPoint &* sums[row]
      }
      zeroPoints[place] = -weightKind.weightShift
    }
    // One for all channels, or one for each.
    func each(_ input: Int, _ count: Int, _ body: (_ place: Int, _ index: Int) -> Void) {
      for channel in 0..<problem.groupCount * rows {
        let (group, row) = channel.quotientAndRemainder(dividingBy: rows)
        body(
          isDepthwise ? channel : group * weights.paddedColumns + row, count == 1 ? 0 : channel)
      }
    }
    if let input = inputs.weightZeroPoints, arguments.hasInput(input) {
      each(input, weightZeroPointCount) { place, index in
        zeroPoints[place] += weightKind.integer(arguments.input(input), index)
      }
    }
    switch result {
    case .sums: break
    case .floats(let leftScale, let rightScale):
      let left = arguments.input(leftScale, as: Float.self)[0]
      let right = arguments.input(rightScale, as: Float.self)
      each(rightScale, weightScaleCount) { multipliers[$0] = left * right[$1] }
    case .bytes(let requantization):
      let left = requantization.scale(arguments.input(requantization.leftScale))
      let output = requantization.scale(arguments.input(requantization.scale))
      each(requantization.rightScale, weightScaleCount) { place, index in
        multipliers[place] = requantization.multiplier(
          left: left,
          right: requantization.scale(arguments.input(requantization.rightScale), index),
          output: output)
      }
    }
  }

  // MARK: Products

  private func multiply(
    _ arguments: KernelArguments, slab: Int, group: Int, part: Int, panelPart: Int
  ) {
    guard let scratch = arguments.scratch else { return }
    let product = product
    let width = product.activationWidth
    let channels = problem.groupCount * problem.channelsPerGroup
    let columns = isDepthwise ? problem.groupCount : problem.rowsPerGroup
    let (image, depth) = slab.quotientAndRemainder(dividingBy: axes.depth.output)
    let (lineCount, rowCount) = (axes.height.output, axes.width.output)
    let range = evenRange(
      of: lineCount > 1 ? lineCount : rowCount, part: part, partCount: split.parts)
    let lines = lineCount > 1 ? range : 0..<lineCount
    let rows = lineCount > 1 ? 0..<rowCount : range
    let panels = evenRange(
      of: weights.paddedColumns / product.panel_columns, part: panelPart,
      partCount: split.panelParts)
    let firstColumn = panels.lowerBound * product.panel_columns
    let endColumn = min(panels.upperBound * product.panel_columns, columns)
    guard !lines.isEmpty, !rows.isEmpty, firstColumn < endColumn else { return }

    var description = graft_integer_problem()
    description.line_count = lines.count
    description.row_count = rows.count
    let pixelBytes = channels * width
    description.row_stride = axes.width.stride * pixelBytes
    description.line_stride = axes.height.stride * axes.width.reached * pixelBytes
    let start =
      ((image * axes.depth.reached + depth * axes.depth.stride) * axes.height.reached
        + lines.lowerBound * axes.height.stride) * axes.width.reached
      + rows.lowerBound * axes.width.stride
    let activations =
      imageOffset.map { UnsafeRawPointer(scratch + $0) } ?? arguments.input(inputs.image)
    // A panel of the depthwise product has its own channels.
    let firstChannel = isDepthwise ? firstColumn : group * problem.channelsPerGroup
    description.activations = activations + start * pixelBytes + firstChannel * width
    description.step_count = steps.count
    description.step_groups = product.paddedDepth(stepDepth) / product.group_depth
    description.step_depth = stepDepth
    description.weights = weights.panels(arguments, group: group, from: panels.lowerBound)
    description.column_count = endColumn - firstColumn
    let place = group * weights.paddedColumns + firstColumn
    description.offsets = parameters.offsets(arguments).map { UnsafePointer($0 + place) }
    description.addends = parameters.addends(arguments).map { UnsafePointer($0 + place) }
    if hasWeightZeroPoints {
      description.weight_zero_points =
        parameters.zeroPoints(arguments).map { UnsafePointer($0 + place) }
      description.row_sums = arguments.workerScratch?.assumingMemoryBound(to: Int32.self)
    }
    description.activation_zero_point = imageZeroPoint(arguments) + imageKind.activationShift

    let outputColumns = problem.groupCount * problem.rowsPerGroup
    let positions = problem.outputPositions
    let column = group * problem.rowsPerGroup + firstColumn
    let position = (depth * lineCount + lines.lowerBound) * rowCount + rows.lowerBound
    var output = image * outputColumns * positions
    if layout.isResultChannelsLast {
      output += position * outputColumns + column
      description.result_row_stride = outputColumns
      description.result_line_stride = rowCount * outputColumns
      description.result_column_stride = 1
    } else {
      output += column * positions + position
      description.result_row_stride = 1
      description.result_line_stride = rowCount
      description.result_column_stride = positions
    }
    switch result {
    case .sums:
      description.result_kind = Int32(GRAFT_RESULT_I32)
      description.results = arguments.output(0) + output * MemoryLayout<Int32>.stride
    case .floats:
      description.result_kind = Int32(GRAFT_RESULT_F32)
      description.multipliers =
        parameters.multipliers(arguments).map { UnsafePointer($0 + place) }
      description.results = arguments.output(0) + output * MemoryLayout<Float>.stride
    case .bytes(let requantization):
      description.result_kind = requantization.code
      description.multipliers =
        parameters.multipliers(arguments).map { UnsafePointer($0 + place) }
      (description.zero_point, description.lowest, description.highest) =
        requantization.range(arguments)
      description.results = arguments.output(0) + output
    }
    steps.withUnsafeBufferPointer { steps in
      description.steps = steps.baseAddress
      product.multiply(&description)
    }
  }
}
