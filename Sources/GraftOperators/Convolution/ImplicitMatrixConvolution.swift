import CGraftKernels
import GraftExecution
import GraftTensor

/// Convolution as the product of a packed weight matrix with the unrolled image, which is created
/// one panel at a time.
///
/// The output positions of each class (see ``ConvolutionProblem``) are divided into ranges, and the
/// output channels into panels; a task computes some of both.
struct ImplicitMatrixConvolution: ConvolutionAlgorithm {
  private let problem: ConvolutionProblem
  private let element: Int32
  private let byteWidth: Int
  private let instructionSet: InstructionSet
  private let plans: [ClassPlan]
  private let packing: WeightPacking
  /// Weights packed at plan time; without them, a first phase packs.
  private let packedWeights: Tensor?

  /// The plan for one class of output positions.
  struct ClassPlan: Sendable {
    let axes: ThreeAxes<ConvolutionProblem.AxisClass>
    let depth: Int
    let positionCount: Int
    /// The number of panels of output channels, and of panels per task.
    let panelCount: Int
    let panelsPerTask: Int
    let rangeCount: Int
    /// The offset of the first group's packed weights, in elements.
    let weightOffset: Int
    let firstTask: Int

    var blockCount: Int { panelCount / panelsPerTask }
  }

  init?(_ problem: ConvolutionProblem, _ context: PrepareContext) throws {
    let elementType = try context.output(0).elementType
    self.problem = problem
    element = try elementType.requireKernelElement()
    byteWidth = elementType.byteWidth
    instructionSet = context.instructionSet
    let table = instructionSet.kernels.pointee.conv[Int(element)].pointee
    plans = ImplicitMatrixConvolution.plans(
      problem, maximumRows: table.maximum_rows, panelColumns: table.panel_columns)
    let packing = WeightPacking(
      problem: problem, plans: plans, element: element, byteWidth: byteWidth,
      instructionSet: instructionSet)
    self.packing = packing
    guard let weights = context.constant(problem.inputs.weights) else {
      packedWeights = nil
      return
    }
    packedWeights = try context.packedConstants.packed(
      weights, format: packing.format, elementType: elementType, count: packing.elementCount,
      taskCount: packing.taskCount
    ) { weights, task, packed in
      packing.run(task, weights: weights, packed: packed)
    }
  }

  private static func plans(
    _ problem: ConvolutionProblem, maximumRows: Int, panelColumns: Int
  ) -> [ClassPlan] {
    var plans: [ClassPlan] = []
    var weightOffset = 0
    var firstTask = 0
    let repetitions = problem.imageCount * problem.groupCount
    for depthClass in problem.axisClasses.depth {
      for heightClass in problem.axisClasses.height {
        for widthClass in problem.axisClasses.width {
          let axes = ThreeAxes(depthClass, heightClass, widthClass)
          let positions = axes.map(\.outputCount).product
          let depth = problem.channelsPerGroup * axes.map(\.tapCount).product
          let split = TaskSplit(
            rows: problem.rowsPerGroup, depth: depth, positions: positions,
            repetitions: repetitions, maximumRows: maximumRows, panelColumns: panelColumns)
          plans.append(
            ClassPlan(
              axes: axes, depth: depth, positionCount: positions,
              panelCount: split.panelsPerTask * split.blockCount,
              panelsPerTask: split.panelsPerTask, rangeCount: split.rangeCount,
              weightOffset: weightOffset, firstTask: firstTask))
          weightOffset += problem.groupCount * problem.rowsPerGroup * depth
          firstTask += repetitions * split.blockCount * split.rangeCount
        }
      }
    }
    return plans
  }

  func kernel() -> PreparedKernel {
    var phases: [PreparedKernel.Phase] = []
    var scratchByteCount = 0
    if packedWeights == nil {
      let packing = packing
      scratchByteCount = packing.elementCount * byteWidth
      let input = problem.inputs.weights
      phases.append(
        PreparedKernel.Phase(taskCount: packing.taskCount) { arguments, task in
          guard let scratch = arguments.scratch else { return }
          packing.run(task, weights: arguments.input(input), packed: scratch)
        })
    }
    if problem.leavesPositions { phases.append(fillPhase) }
    let table = instructionSet.kernels.pointee.conv[Int(element)].pointee
    let largestDepth = plans.map(\.depth).max() ?? 0
    let taskCount = plans.last.map { plan in
      plan.firstTask + problem.imageCount * problem.groupCount * plan.blockCount * plan.rangeCount
    }
    phases.append(
      PreparedKernel.Phase(taskCount: taskCount ?? 0) { [self] arguments, task in
        run(task, arguments)
      })
    return PreparedKernel(
      phases: phases, scratchByteCount: scratchByteCount,
      workerScratchByteCount: table.convolve_scratch_byte_count(largestDepth),
      inPlaceInputs: problem.inputs.residual.map { [$0] } ?? [])
  }

  private func run(_ task: Int, _ arguments: KernelArguments) {
    let plan = plans[planIndex(ofTask: task)]
    let (rest, block) = (task - plan.firstTask).quotientAndRemainder(dividingBy: plan.blockCount)
    let (slice, range) = rest.quotientAndRemainder(dividingBy: plan.rangeCount)
    let group = slice % problem.groupCount
    let table = instructionSet.kernels.pointee.conv[Int(element)].pointee
    let units = (plan.positionCount + table.panel_columns - 1) / table.panel_columns
    let unitRange = evenRange(of: units, part: range, partCount: plan.rangeCount)
    let firstPosition = unitRange.lowerBound * table.panel_columns
    let endPosition = min(unitRange.upperBound * table.panel_columns, plan.positionCount)

    let (height, width) = (problem.outputExtents.height, problem.outputExtents.width)
    let axes = plan.axes
    let start =
      (axes.depth.outputStart * height + axes.height.outputStart) * width + axes.width.outputStart
    let outputOffset = (slice * problem.outputGroupSize + start) * byteWidth
    let weights =
      packedWeights.map { UnsafeRawPointer($0.baseAddress) } ?? UnsafeRawPointer(arguments.scratch)

    var description = graft_conv_problem()
    description.axes.0 = axes.depth.kernelAxis(inputExtent: problem.inputExtents.depth)
    description.axes.1 = axes.height.kernelAxis(inputExtent: problem.inputExtents.height)
    description.axes.2 = axes.width.kernelAxis(inputExtent: problem.inputExtents.width)
    description.channels = problem.channelsPerGroup
    description.rows = problem.rowsPerGroup
    description.input =
      arguments.input(problem.inputs.image) + slice * problem.inputGroupSize * byteWidth
    description.output = arguments.output(0) + outputOffset
    description.output_row_stride = problem.outputPositions
    description.output_step.0 = axes.depth.outputStep * height * width
    description.output_step.1 = axes.height.outputStep * width
    description.output_step.2 = axes.width.outputStep
    if let residual = problem.inputs.residual {
      description.residual = arguments.input(residual) + outputOffset
    }
    if let bias = problem.inputs.bias {
      description.bias = arguments.input(bias) + group * problem.rowsPerGroup * byteWidth
    }
    description.weights = weights.map {
      $0 + (plan.weightOffset + group * problem.rowsPerGroup * plan.depth) * byteWidth
    }
    description.panel_count = plan.panelCount
    description.activation = problem.activation.parameters
    table.convolve(
      &description, block * plan.panelsPerTask, plan.panelsPerTask, firstPosition,
      endPosition - firstPosition, arguments.workerScratch)
  }

  /// The last plan that starts at or before a task.
  private func planIndex(ofTask task: Int) -> Int {
    var low = 0
    var high = plans.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if plans[middle].firstTask <= task { low = middle } else { high = middle }
    }
    return low
  }

  /// Sets positions that no tap reaches to the bias. The others are overwritten.
  private var fillPhase: PreparedKernel.Phase {
    let problem = problem
    let positions = problem.outputPositions
    let planes = problem.groupCount * problem.rowsPerGroup
    func phase<Element: BinaryFloatingPoint & Sendable>(
      of type: Element.Type
    ) -> PreparedKernel.Phase {
      .parallel(count: problem.imageCount * planes, grain: max(1, 16384 / positions)) {
        arguments, range in
        let output = arguments.output(0, as: type)
        for plane in range {
          let bias = problem.inputs.bias.map {
            (arguments.input($0) + plane % planes * MemoryLayout<Element>.size)
              .loadUnaligned(as: type)
          }
          (output + plane * positions).update(repeating: bias ?? 0, count: positions)
        }
      }
    }
    return byteWidth == 8 ? phase(of: Double.self) : phase(of: Float.self)
  }
}
