import CGraftKernels
import GraftExecution

/// A convolution in the blocked layout as products of shifted input rows with packed weights.
/// Nothing is unrolled; an input that needs padding is copied with it.
struct DirectConvolution: Sendable {
  private let problem: BlockedConvolutionProblem
  private let instructionSet: InstructionSet
  private let product: BlockedProduct
  private let weights: PackedOperand
  private let bias: PackedOperand?
  private let panelCount: Int
  private let panelColumns: Int
  private let mixesGroups: Bool
  private let split: Split
  /// The extents of the input as it is read, and the offset of its padded copy in scratch memory.
  private let source: BlockedConvolutionProblem.Axes
  private let paddedOffset: Int?
  /// The offset of results before pooling.
  private let unpooledOffset: Int?
  private var scratch = ScratchLayout()

  /// How an image's output is divided into tasks. Depends only on shapes.
  private struct Split: Sendable {
    var rowParts = 1
    var panelParts = 1

    private static let wantedTaskCount = 16
    /// The smallest number of multiply-adds for a task.
    private static let minimumWork = 1 << 20
    /// The bytes of input that a task rereads for each panel, which should stay in the L2 cache.
    private static let cacheSize = 512 << 10

    init(rowCount: Int, panelCount: Int, work: Int, inputBytes: Int, repetitions: Int) {
      rowParts = min(rowCount, max(1, inputBytes / Split.cacheSize))
      while repetitions * rowParts * panelParts < Split.wantedTaskCount,
        work / (rowParts * panelParts * 2) >= Split.minimumWork
      {
        // Rows share weights and panels share the input: the smaller of the two is reread more
        // often.
        let dividesRows = rowCount / rowParts >= 8 || panelCount < 2 * panelParts
        if dividesRows, rowParts * 2 <= rowCount {
          rowParts *= 2
        } else if panelParts * 2 <= panelCount {
          panelParts *= 2
        } else {
          break
        }
      }
    }
  }

  init(
    _ problem: BlockedConvolutionProblem, _ product: BlockedProduct, _ context: PrepareContext
  ) throws {
    self.problem = problem
    self.product = product
    instructionSet = context.instructionSet
    let panelColumns = withUnsafePointer(to: problem.description(product)) {
      graft_direct_panel_columns($0)
    }
    let panelCount = problem.panelCount(panelColumns: panelColumns)
    self.panelCount = panelCount
    self.panelColumns = panelColumns
    mixesGroups =
      withUnsafePointer(to: problem.description(product, panelColumns)) {
        graft_direct_mixes_groups($0)
      } != 0
    let weightCount = withUnsafePointer(to: problem.description(product, panelColumns)) {
      graft_direct_weight_offset($0, panelCount)
    }
    weights = try PackedOperand(
      input: 1, count: product.floatCount(ofWeights: weightCount), taskCount: panelCount,
      format:
        "direct/\(problem.isPlanar)/\(problem.groupCount)/\(product.format)/\(panelColumns)",
      scratch: &scratch, context
    ) { source, panel, packed in
      withUnsafePointer(to: problem.description(product, panelColumns)) {
        graft_direct_pack($0, source, panel, packed)
      }
    }
    bias =
      problem.hasBias
      ? try .channels(input: 2, scratch: &scratch, context) : nil
    if problem.needsPadding {
      source = BlockedConvolutionProblem.Axes(
        height: max(problem.reached.height, problem.padding.height + problem.input.height),
        width: max(problem.reached.width, problem.padding.width + problem.input.width))
      let pixels = source.height.multipliedReportingOverflow(by: source.width)
      let planes = problem.imageCount * problem.inputParts
      let count = pixels.partialValue.multipliedReportingOverflow(by: planes * problem.pixelSize)
      paddedOffset = try scratch.reserve(
        floatCount: pixels.overflow || count.overflow ? .max : count.partialValue)
    } else {
      source = problem.input
      paddedOffset = nil
    }
    unpooledOffset =
      problem.pools
      ? try scratch.reserve(
        floatCount: problem.imageCount * problem.outputBlocks * channelBlock
          * problem.output.product) : nil
    split = Split(
      rowCount: problem.isPointwise
        ? (problem.output.product + product.maximumRows - 1) / product.maximumRows
        : problem.output.height,
      panelCount: panelCount, work: weightCount * problem.output.product,
      inputBytes: problem.inputParts * problem.pixelSize * source.product
        * MemoryLayout<Float>.size,
      repetitions: problem.imageCount)
  }

  func kernel() throws -> PreparedKernel {
    var phases = [weights.phase, bias?.phase].compactMap { $0 }
    if let paddedOffset { phases.append(paddingPhase(offset: paddedOffset)) }
    let tasksPerImage = split.rowParts * split.panelParts
    phases.append(
      PreparedKernel.Phase(
        taskCount: problem.imageCount * tasksPerImage
      ) { [self] arguments, task in
        let (image, rest) = task.quotientAndRemainder(dividingBy: tasksPerImage)
        let (panelPart, rowPart) = rest.quotientAndRemainder(dividingBy: split.rowParts)
        run(image, rowPart: rowPart, panelPart: panelPart, arguments)
      })
    if let unpooledOffset { phases.append(poolingPhase(offset: unpooledOffset)) }
    return PreparedKernel(
      phases: phases, scratchByteCount: scratch.byteCount,
      inPlaceInputs: problem.hasResidual && !problem.pools && !mixesGroups ? [3] : [])
  }

  private func paddingPhase(offset: Int) -> PreparedKernel.Phase {
    let planeSize = problem.input.product * problem.pixelSize
    let paddedSize = source.product * problem.pixelSize
    return .parallel(
      count: problem.imageCount * problem.inputParts,
      grain: max(1, 32768 / max(1, paddedSize))
    ) { [problem, source] arguments, planes in
      guard let scratch = arguments.scratch else { return }
      let padded = (scratch + offset).assumingMemoryBound(to: Float.self)
      for plane in planes {
        graft_pad_image(
          arguments.input(0, as: Float.self) + plane * planeSize, problem.input.height,
          problem.input.width, problem.pixelSize, problem.padding.height, problem.padding.width,
          source.height, source.width, padded + plane * paddedSize)
      }
    }
  }

  private func run(_ image: Int, rowPart: Int, panelPart: Int, _ arguments: KernelArguments) {
    let outputOffset = image * problem.outputBlocks * channelBlock * problem.output.product
    var description = problem.description(product, panelColumns)
    description.input_height = source.height
    description.input_width = source.width
    description.output_height = problem.output.height
    description.output_width = problem.output.width
    let input =
      paddedOffset.flatMap { offset in arguments.scratch.map { UnsafeRawPointer($0 + offset) } }
      ?? arguments.input(0)
    description.input =
      input.assumingMemoryBound(to: Float.self) + image * problem.inputParts * problem.pixelSize
      * source.product
    description.weights = weights.pointer(arguments)
    description.bias = bias?.pointer(arguments)
    description.residual = arguments.optionalInput(3, as: Float.self).map { $0 + outputOffset }
    let output =
      unpooledOffset.flatMap { offset in arguments.scratch.map { $0 + offset } }
      ?? arguments.output(0)
    description.output = output.assumingMemoryBound(to: Float.self) + outputOffset
    let panels = evenRange(of: panelCount, part: panelPart, partCount: split.panelParts)
    let (rowCount, columnCount) =
      problem.isPointwise
      ? (1, problem.output.product) : (problem.output.height, problem.output.width)
    // A pointwise convolution is one row, which is divided; all others are divided into rows.
    let part = evenRange(
      of: problem.isPointwise ? columnCount : rowCount, part: rowPart, partCount: split.rowParts)
    let rows = problem.isPointwise ? 0..<rowCount : part
    let columns = problem.isPointwise ? part : 0..<columnCount
    graft_direct_convolve(
      &description, rows.lowerBound, rows.count, columns.lowerBound, columns.count,
      panels.lowerBound, panels.count)
  }

  private func poolingPhase(offset: Int) -> PreparedKernel.Phase {
    let blocks = problem.imageCount * problem.outputBlocks
    let size = problem.output.product * channelBlock
    let pooledSize = (problem.output.height / 2) * (problem.output.width / 2) * channelBlock
    return .parallel(count: blocks, grain: max(1, 32768 / size)) {
      [problem, instructionSet] arguments, range in
      guard let scratch = arguments.scratch else { return }
      let table = instructionSet.kernels.pointee.blocked.pointee
      let unpooled = (scratch + offset).assumingMemoryBound(to: Float.self)
      for block in range {
        table.pool_squares(
          unpooled + block * size, problem.output.height, problem.output.width,
          arguments.output(0, as: Float.self) + block * pooledSize)
      }
    }
  }
}

extension BlockedConvolutionProblem {
  /// The common parameters of packing and computing.
  fileprivate func description(
    _ product: BlockedProduct, _ panelColumns: Int = 0
  ) -> graft_direct_problem {
    var description = graft_direct_problem()
    description.product = product.pointer
    description.panel_columns = panelColumns
    description.is_planar = isPlanar ? 1 : 0
    description.input_channels = inputChannels
    description.output_channels = outputChannels
    description.group_count = groupCount
    description.kernel_height = kernel.height
    description.kernel_width = kernel.width
    description.row_stride = stride.height
    description.column_stride = stride.width
    description.row_dilation = dilation.height
    description.column_dilation = dilation.width
    description.activation = activation
    return description
  }
}
