import CGraftKernels
import GraftExecution
import GraftTensor

/// Convolution with few output positions, as in networks for short pieces of sound: the product of
/// these positions, as rows, with constant weights in panels of output channels.
///
/// Vectors of output channels are full where vectors of positions would have few lanes in use, and
/// each weight is read once.
struct FewPositionsConvolution: ConvolutionAlgorithm {
  private let problem: ConvolutionProblem
  private let element: Int32
  private let instructionSet: InstructionSet
  private let byteWidth: Int
  private let depth: Int
  private let panels: PackedOperand
  private let panelColumns: Int
  private let panelCount: Int
  /// The tasks that divide the output channels of a group.
  private let partCount: Int
  /// How the image is read where it is; otherwise it is unrolled.
  private let view: View?

  /// The image as a matrix of positions and (channel, tap).
  private struct View: Sendable {
    let offset: Int
    let rowStride: Int
    let depthStride: Int
  }

  /// With more positions, vectors of positions are full.
  private static let maximumPositions = 8
  /// The smallest number of multiply-adds for a task, and the tasks that are enough.
  private static let minimumWork = 1 << 19
  private static let wantedTaskCount = 8

  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws {
    let depth = problem.channelsPerGroup * problem.kernelSize
    let layout = problem.weightLayout
    guard problem.outputPositions <= FewPositionsConvolution.maximumPositions,
      problem.inputs.residual == nil || problem.outputPositions == 1,
      problem.axisClasses.allSatisfy({ $0.count == 1 && $0[0].tapStep == 1 }),
      !problem.leavesPositions,
      problem.axisClasses.map({ $0[0].tapCount }) == problem.kernelExtents,
      layout.channel == problem.kernelSize, layout.row == depth, depth > 0,
      let weights = context.constant(problem.inputs.weights), weights.elementCount > 0
    else { return nil }
    let elementType = try context.output(0).elementType
    let element = try elementType.requireKernelElement()
    let instructionSet = context.instructionSet
    let table = instructionSet.kernels.pointee.gemm[Int(element)].pointee
    let (rows, width) = (problem.rowsPerGroup, elementType.byteWidth)
    let panelColumns = table.panel_columns
    let panelCount = (rows + panelColumns - 1) / panelColumns
    let packedSize = panelCount * panelColumns * depth
    var scratch = ScratchLayout()
    panels = try PackedOperand(
      input: problem.inputs.weights, elementType: elementType,
      count: problem.groupCount * packedSize, taskCount: problem.groupCount * panelCount,
      format: "convolution panels/\(panelColumns)/\(problem.groupCount)", scratch: &scratch, context
    ) { source, task, packed in
      let (group, panel) = task.quotientAndRemainder(dividingBy: panelCount)
      let first = panel * panelColumns
      let count = min(panelColumns, rows - first)
      instructionSet.kernels.pointee.gemm[Int(element)].pointee.pack_panel(
        source + (group * layout.group + first * depth) * width, 1, depth, depth, count,
        count <= panelColumns / 2 ? panelColumns / 2 : panelColumns,
        packed + (group * packedSize + first * depth) * width)
    }
    self.problem = problem
    self.element = element
    self.instructionSet = instructionSet
    self.panelColumns = panelColumns
    self.panelCount = panelCount
    self.depth = depth
    byteWidth = width
    let work = Double(depth) * Double(rows) * Double(problem.outputPositions)
    let wanted =
      FewPositionsConvolution.wantedTaskCount / max(1, problem.imageCount * problem.groupCount)
    partCount = max(
      1,
      min(panelCount, wanted, Int(work / Double(FewPositionsConvolution.minimumWork))))
    view = FewPositionsConvolution.view(problem)
  }

  /// Positions along the last axis that read no padding, with one channel or one tap.
  private static func view(_ problem: ConvolutionProblem) -> View? {
    let axes = problem.axisClasses.map { $0[0] }
    let width = axes.width
    let last = (width.outputCount - 1) * width.inputStep + width.inputStart
    let lastTap = (width.tapCount - 1) * width.inputTapStep
    let places = axes.map { $0.outputCount * $0.tapCount }
    guard places.depth == 1, places.height == 1,
      problem.channelsPerGroup == 1 || width.tapCount == 1,
      (0..<problem.inputExtents.depth).contains(axes.depth.inputStart),
      (0..<problem.inputExtents.height).contains(axes.height.inputStart),
      min(width.inputStart, width.inputStart + lastTap) >= 0,
      max(last, last + lastTap) < problem.inputExtents.width
    else { return nil }
    let row = axes.depth.inputStart * problem.inputExtents.height + axes.height.inputStart
    return View(
      offset: row * problem.inputExtents.width + width.inputStart, rowStride: width.inputStep,
      depthStride: width.tapCount > 1 ? width.inputTapStep : problem.inputPositions)
  }

  func kernel() throws -> PreparedKernel {
    // The unrolled image, and the results as rows of positions.
    var scratch = ScratchLayout()
    let elementType: ElementType = byteWidth == 8 ? .double : .float
    let positions = problem.outputPositions
    let unrolled = try scratch.reserve([view == nil ? depth : 0, positions], of: elementType)
    let results = try scratch.reserve(
      [positions > 1 ? problem.rowsPerGroup : 0, positions], of: elementType)
    let slices = problem.imageCount * problem.groupCount
    return PreparedKernel.tasks(
      slices * partCount, workerScratchByteCount: scratch.byteCount,
      inPlaceInputs: problem.inputs.residual.map { [$0] } ?? []
    ) { [self] arguments, task in
      let (slice, part) = task.quotientAndRemainder(dividingBy: partCount)
      run(
        slice: slice, panels: evenRange(of: panelCount, part: part, partCount: partCount),
        unrolled: arguments.workerScratch.map { $0 + unrolled },
        results: positions > 1 ? arguments.workerScratch.map { $0 + results } : nil, arguments)
    }
  }

  private func run(
    slice: Int, panels range: Range<Int>, unrolled: UnsafeMutableRawPointer?,
    results: UnsafeMutableRawPointer?, _ arguments: KernelArguments
  ) {
    let group = slice % problem.groupCount
    let (rows, positions) = (problem.rowsPerGroup, problem.outputPositions)
    let image =
      arguments.input(problem.inputs.image) + slice * problem.inputGroupSize * byteWidth
    let output = arguments.output(0) + slice * problem.outputGroupSize * byteWidth
    let table = instructionSet.kernels.pointee.gemm[Int(element)].pointee
    var product = graft_gemm_problem()
    product.rows = positions
    product.columns = rows
    product.depth = depth
    if let view {
      product.a = image + view.offset * byteWidth
      product.a_row_stride = view.rowStride
      product.a_depth_stride = view.depthStride
    } else if let unrolled {
      unroll(image, to: unrolled)
      product.a = UnsafeRawPointer(unrolled)
      product.a_row_stride = 1
      product.a_depth_stride = positions
    }
    product.b = panels.place.address(arguments).map {
      $0 + group * panelCount * panelColumns * depth * byteWidth
    }
    product.c = results ?? output
    product.c_row_stride = rows
    if let bias = problem.inputs.bias {
      product.addend = arguments.input(bias) + group * rows * byteWidth
    }
    if let residual = problem.inputs.residual {
      product.residual = arguments.input(residual) + slice * problem.outputGroupSize * byteWidth
      product.residual_row_stride = rows
    }
    product.alpha = 1
    product.beta = 1
    product.activation = problem.activation.parameters
    product.panel_columns = panelColumns
    table.packed_product(&product, 0, positions, range.lowerBound, range.count)
    guard let results else { return }
    let first = range.lowerBound * panelColumns
    table.pack_panel(
      results + first * byteWidth, 1, rows, min(range.upperBound * panelColumns, rows) - first,
      positions, positions, output + first * positions * byteWidth)
  }

  /// Writes what each (channel, tap) reads at all positions.
  private func unroll(_ image: UnsafeRawPointer, to target: UnsafeMutableRawPointer) {
    let axes = problem.axisClasses.map { $0[0] }
    var description = graft_conv_problem()
    description.axes.0 = axes.depth.kernelAxis(inputExtent: problem.inputExtents.depth)
    description.axes.1 = axes.height.kernelAxis(inputExtent: problem.inputExtents.height)
    description.axes.2 = axes.width.kernelAxis(inputExtent: problem.inputExtents.width)
    description.channels = problem.channelsPerGroup
    description.input = image
    instructionSet.kernels.pointee.conv[Int(element)].pointee.unroll(&description, target)
  }
}
