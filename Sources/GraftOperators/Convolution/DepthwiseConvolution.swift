import CGraftKernels
import GraftExecution
import GraftTensor

/// Convolution with one input channel for each output channel, and the transpose of one: directly,
/// one plane at a time.
struct DepthwiseConvolution: ConvolutionAlgorithm {
  private let problem: ConvolutionProblem
  private let element: Int32
  private let byteWidth: Int
  private let instructionSet: InstructionSet
  /// The classes of output positions.
  private let classes: [PlaneClass]
  /// The tasks that divide the rows of a class.
  private let partCount: Int
  private let scratchByteCount: Int

  private struct PlaneClass: Sendable {
    let rows: ConvolutionProblem.AxisClass
    let columns: ConvolutionProblem.AxisClass
  }

  /// Copied input rows should stay in the L2 cache.
  private static let scratchLimit = 1 << 18

  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws {
    guard problem.channelsPerGroup == 1, problem.groupCount > 1, problem.kernelExtents.depth == 1,
      problem.outputExtents.depth == 1, problem.inputExtents.depth == 1, !problem.leavesPositions,
      problem.axisClasses.depth.allSatisfy({ $0.inputStart == 0 })
    else { return nil }
    let elementType = try context.output(0).elementType
    let element = try elementType.requireKernelElement()
    self.problem = problem
    self.element = element
    byteWidth = elementType.byteWidth
    instructionSet = context.instructionSet
    let classes = problem.axisClasses.height.flatMap { rows in
      problem.axisClasses.width.map { columns in
        PlaneClass(rows: rows.ascending, columns: columns.ascending)
      }
    }
    let table = instructionSet.kernels.pointee.depthwise[Int(element)].pointee
    func scratchByteCount(partCount: Int) -> Int {
      classes.map { item in
        var height = item.rows.kernelAxis(inputExtent: problem.inputExtents.height)
        var width = item.columns.kernelAxis(inputExtent: problem.inputExtents.width)
        let rowCount = (item.rows.outputCount + partCount - 1) / partCount
        return table.scratch_byte_count(&height, &width, rowCount)
      }.max() ?? 0
    }
    var partCount = 1
    while partCount * 2 <= problem.outputExtents.height,
      scratchByteCount(partCount: partCount) > DepthwiseConvolution.scratchLimit
    {
      partCount *= 2
    }
    self.classes = classes
    self.partCount = partCount
    self.scratchByteCount = scratchByteCount(partCount: partCount)
    // With huge strides or dilations, most copied elements would not be used.
    guard self.scratchByteCount <= 8 * DepthwiseConvolution.scratchLimit else { return nil }
  }

  func kernel() -> PreparedKernel {
    let planes = problem.imageCount * problem.groupCount * problem.rowsPerGroup
    return .tasks(
      planes * classes.count * partCount, workerScratchByteCount: scratchByteCount
    ) { [self] arguments, task in
      let (rest, part) = task.quotientAndRemainder(dividingBy: partCount)
      let (plane, index) = rest.quotientAndRemainder(dividingBy: classes.count)
      run(plane: plane, classIndex: index, part: part, arguments)
    }
  }

  private func run(plane: Int, classIndex: Int, part: Int, _ arguments: KernelArguments) {
    let rows = classes[classIndex].rows
    let columns = classes[classIndex].columns
    let range = evenRange(of: rows.outputCount, part: part, partCount: partCount)
    guard !range.isEmpty else { return }
    let channel = plane % (problem.groupCount * problem.rowsPerGroup)
    let inputPlane = plane / problem.rowsPerGroup
    let kernelWidth = problem.kernelExtents.width
    let width = problem.outputExtents.width
    let firstWeight =
      channel * problem.kernelSize + rows.firstTap * kernelWidth + columns.firstTap
    let firstOutput =
      plane * problem.outputPositions + rows.outputStart * width + columns.outputStart

    var description = graft_depthwise_problem()
    description.height = rows.kernelAxis(inputExtent: problem.inputExtents.height)
    description.width = columns.kernelAxis(inputExtent: problem.inputExtents.width)
    description.input =
      arguments.input(problem.inputs.image)
      + inputPlane * problem.inputPositions * byteWidth
    description.weights = arguments.input(problem.inputs.weights) + firstWeight * byteWidth
    description.weight_row_step = rows.tapStep * kernelWidth
    description.weight_column_step = columns.tapStep
    if let bias = problem.inputs.bias {
      description.bias = arguments.input(bias) + channel * byteWidth
    }
    if let residual = problem.inputs.residual {
      description.residual = arguments.input(residual) + firstOutput * byteWidth
    }
    description.output = arguments.output(0) + firstOutput * byteWidth
    description.output_row_step = rows.outputStep * width
    description.output_column_step = columns.outputStep
    description.activation = problem.activation.parameters
    instructionSet.kernels.pointee.depthwise[Int(element)].pointee.convolve_rows(
      &description, range.lowerBound, range.count, arguments.workerScratch)
  }
}

extension ConvolutionProblem.AxisClass {
  /// The same class with its taps in the order of the input.
  fileprivate var ascending: Self {
    guard inputTapStep < 0 else { return self }
    var result = self
    result.firstTap += (tapCount - 1) * tapStep
    result.tapStep = -tapStep
    result.inputStart += (tapCount - 1) * inputTapStep
    result.inputTapStep = -inputTapStep
    return result
  }

  /// The form of the kernels.
  func kernelAxis(inputExtent: Int) -> graft_conv_axis {
    graft_conv_axis(
      input: inputExtent, output: outputCount, taps: tapCount, stride: inputStep,
      first: inputStart, tap_step: inputTapStep)
  }
}
