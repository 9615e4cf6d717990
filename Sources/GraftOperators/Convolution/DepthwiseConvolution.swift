import CGraftKernels

/// Convolution where each output channel reads one input channel: one plane at a time, directly.
struct DepthwiseConvolution: ConvolutionAlgorithm {
  private let problem: ConvolutionProblem
  private let element: Int32
  private let byteWidth: Int
  private let instructionSet: Int32
  private let rowsPerTask: Int
  private let scratchByteCount: Int

  /// Copied input rows should stay in the L2 cache.
  private static let scratchLimit = 1 << 18

  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws {
    let elementType = try context.output(0).elementType
    guard problem.channelsPerGroup == 1, problem.groupCount > 1, problem.kernelExtents[0] == 1,
      problem.outputExtents[0] == 1, problem.inputExtents[0] == 1,
      problem.axisClasses.allSatisfy({ $0.count == 1 && $0[0].inputTapStep > 0 }),
      problem.axisClasses[0][0].inputStart == 0
    else { return nil }
    self.problem = problem
    element = try elementType.requireKernelElement()
    byteWidth = elementType.byteWidth
    instructionSet = context.instructionSet.rawValue

    var height = problem.axis(1)
    var width = problem.axis(2)
    let table = graft_depthwise_kernels(instructionSet, element).pointee
    var rowCount = problem.outputExtents[1]
    while rowCount > 1,
      table.scratch_byte_count(&height, &width, rowCount) > DepthwiseConvolution.scratchLimit
    {
      rowCount = (rowCount + 1) / 2
    }
    rowsPerTask = rowCount
    scratchByteCount = table.scratch_byte_count(&height, &width, rowCount)
    // Huge strides or dilations would copy mostly what no tap reads.
    guard scratchByteCount <= 8 * DepthwiseConvolution.scratchLimit else { return nil }
  }

  func kernel() -> PreparedKernel {
    let parts = (problem.outputExtents[1] + rowsPerTask - 1) / rowsPerTask
    let planes = problem.groupCount * problem.rowsPerGroup
    let inputSize = problem.inputExtents.elementCount * byteWidth
    let outputSize = problem.outputPositions * byteWidth
    let kernelSize = problem.kernelSize * byteWidth
    return .tasks(
      problem.imageCount * planes * parts, workerScratchByteCount: scratchByteCount
    ) { [self] arguments, task in
      let (plane, part) = task.quotientAndRemainder(dividingBy: parts)
      let channel = plane % planes
      let inputPlane = plane / problem.rowsPerGroup
      let rows = evenRange(of: problem.outputExtents[1], part: part, partCount: parts)
      var description = graft_depthwise_problem()
      description.height = problem.axis(1)
      description.width = problem.axis(2)
      description.input = arguments.input(problem.inputs.image) + inputPlane * inputSize
      description.weights = arguments.input(problem.inputs.weights) + channel * kernelSize
      if let bias = problem.inputs.bias {
        description.bias = arguments.input(bias) + channel * byteWidth
      }
      if let residual = problem.inputs.residual {
        description.residual = arguments.input(residual) + plane * outputSize
      }
      description.output = arguments.output(0) + plane * outputSize
      description.activation = problem.activation.parameters
      graft_depthwise_kernels(instructionSet, element).pointee.convolve_rows(
        &description, rows.lowerBound, rows.count, arguments.workerScratch)
    }
  }
}

extension ConvolutionProblem {
  /// A spatial axis of a problem of one class, as the kernels take it.
  func axis(_ axis: Int) -> graft_conv_axis {
    axisClasses[axis][0].kernelAxis(inputExtent: inputExtents[axis])
  }
}

extension ConvolutionProblem.AxisClass {
  func kernelAxis(inputExtent: Int) -> graft_conv_axis {
    graft_conv_axis(
      input: inputExtent, output: outputCount, taps: tapCount, stride: inputStep,
      first: inputStart, tap_step: inputTapStep)
  }
}
