import CGraftKernels
import GraftExecution

/// Computes a convolution's weight gradient from image (input 0) and output gradient (input 1).
struct WeightGradientKernel: Sendable {
  private let problem: ConvolutionProblem
  private let element: Int32
  private let byteWidth: Int
  private let instructionSet: InstructionSet

  private static let wantedTaskCount = 16
  /// Columns are distributed in units of the widest vector tile; a task needs several, since it
  /// packs the output gradient.
  private static let columnUnit = 32
  private static let unitsPerTask = 4
  private static let minimumWork = 1 << 20
  private static let largestPartialByteCount = 1 << 26

  /// A convolution has one class of positions per axis.
  private let axes: ThreeAxes<ConvolutionProblem.AxisClass>

  init(
    problem: ConvolutionProblem, element: Int32, byteWidth: Int, instructionSet: InstructionSet
  ) {
    self.problem = problem
    self.element = element
    self.byteWidth = byteWidth
    self.instructionSet = instructionSet
    axes = problem.axisClasses.map { $0[0] }
  }

  private var depth: Int { problem.channelsPerGroup * problem.kernelSize }
  private var gradientSize: Int { problem.groupCount * problem.rowsPerGroup * depth }

  func kernel() -> PreparedKernel {
    guard gradientSize > 0 else { return .tasks(0) { _, _ in } }
    let positions = problem.outputPositions
    guard problem.imageCount > 0, positions > 0 else {
      return .single { [self] arguments in
        arguments.output(0).initializeMemory(
          as: UInt8.self, repeating: 0, count: gradientSize * byteWidth)
      }
    }
    let columnUnits =
      (depth + WeightGradientKernel.columnUnit - 1) / WeightGradientKernel.columnUnit
    let work = Double(problem.imageCount) * Double(positions) * Double(gradientSize)
    let worthwhile = max(1, Int(work / Double(WeightGradientKernel.minimumWork)))
    let wanted = min(WeightGradientKernel.wantedTaskCount, worthwhile)
    let wantedPerGroup = (wanted + problem.groupCount - 1) / problem.groupCount
    let blocks = max(
      1, min(wantedPerGroup, columnUnits / WeightGradientKernel.unitsPerTask))
    let splits = max(
      1,
      min(
        (wantedPerGroup + blocks - 1) / blocks, problem.imageCount,
        WeightGradientKernel.largestPartialByteCount / (gradientSize * byteWidth)))
    let finalBlocks = splits == 1 ? max(blocks, min(wantedPerGroup, columnUnits)) : blocks
    return kernel(columnUnits: columnUnits, blocks: finalBlocks, splits: splits)
  }

  private func kernel(columnUnits: Int, blocks: Int, splits: Int) -> PreparedKernel {
    let table = instructionSet.kernels.pointee.conv[Int(element)].pointee
    let scratch = table.gradient_scratch_byte_count(
      problem.rowsPerGroup, problem.outputPositions)
    var phases = [
      PreparedKernel.Phase(taskCount: problem.groupCount * blocks * splits) {
        [self] arguments, task in
        let (rest, block) = task.quotientAndRemainder(dividingBy: blocks)
        let (split, group) = rest.quotientAndRemainder(dividingBy: problem.groupCount)
        let units = evenRange(of: columnUnits, part: block, partCount: blocks)
        let images = evenRange(of: problem.imageCount, part: split, partCount: splits)
        let target =
          splits == 1 ? arguments.output(0) : arguments.scratch! + split * gradientSize * byteWidth
        run(arguments, group: group, units: units, images: images, target: target)
      }
    ]
    if splits > 1 {
      phases.append(
        byteWidth == 8
          ? sumPhase(of: Double.self, splits: splits) : sumPhase(of: Float.self, splits: splits))
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: splits > 1 ? splits * gradientSize * byteWidth : 0,
      workerScratchByteCount: scratch)
  }

  private func run(
    _ arguments: KernelArguments, group: Int, units: Range<Int>, images: Range<Int>,
    target: UnsafeMutableRawPointer
  ) {
    var description = graft_conv_gradient_problem()
    description.axes.0 = axes.depth.kernelAxis(inputExtent: problem.inputExtents.depth)
    description.axes.1 = axes.height.kernelAxis(inputExtent: problem.inputExtents.height)
    description.axes.2 = axes.width.kernelAxis(inputExtent: problem.inputExtents.width)
    description.channels = problem.channelsPerGroup
    description.rows = problem.rowsPerGroup
    description.image_count = images.count
    description.input_image_stride = problem.groupCount * problem.inputGroupSize
    description.output_gradient_image_stride = problem.groupCount * problem.outputGroupSize
    description.input =
      arguments.input(0)
      + (images.lowerBound * problem.groupCount + group) * problem.inputGroupSize * byteWidth
    description.output_gradient =
      arguments.input(1)
      + (images.lowerBound * problem.groupCount + group) * problem.outputGroupSize * byteWidth
    description.gradient = target + group * problem.rowsPerGroup * depth * byteWidth
    let firstColumn = units.lowerBound * WeightGradientKernel.columnUnit
    let endColumn = min(units.upperBound * WeightGradientKernel.columnUnit, depth)
    instructionSet.kernels.pointee.conv[Int(element)].pointee.weight_gradient(
      &description, firstColumn, endColumn - firstColumn, arguments.workerScratch)
  }

  /// Adds up the partial sums, in the order of the images.
  private func sumPhase<Element: BinaryFloatingPoint & Sendable>(
    of type: Element.Type, splits: Int
  ) -> PreparedKernel.Phase {
    let size = gradientSize
    return .parallel(count: size, grain: 16384) { arguments, range in
      let output = arguments.output(0, as: type)
      let partial = UnsafePointer(arguments.scratch!.assumingMemoryBound(to: type))
      for index in range {
        var sum = partial[index]
        for split in 1..<splits { sum += partial[split * size + index] }
        output[index] = sum
      }
    }
  }
}
