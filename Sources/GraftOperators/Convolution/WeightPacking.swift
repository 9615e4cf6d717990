import CGraftKernels
import GraftExecution

/// Packs a convolution's weights in the order in which ``ImplicitMatrixConvolution`` reads them.
struct WeightPacking: Sendable {
  private let problem: ConvolutionProblem
  private let plans: [ImplicitMatrixConvolution.ClassPlan]
  private let element: Int32
  private let byteWidth: Int
  private let instructionSet: InstructionSet
  /// The panels of a task, and the tasks of a group, for each plan.
  private let panelsPerTask: [Int]
  private let firstTasks: [Int]

  init(
    problem: ConvolutionProblem, plans: [ImplicitMatrixConvolution.ClassPlan], element: Int32,
    byteWidth: Int, instructionSet: InstructionSet
  ) {
    self.problem = problem
    self.plans = plans
    self.element = element
    self.byteWidth = byteWidth
    self.instructionSet = instructionSet
    var panelsPerTask: [Int] = []
    var firstTasks = [0]
    for plan in plans {
      let panelSize = max(1, problem.rowsPerGroup * plan.depth / plan.panelCount)
      let panels = min(plan.panelCount, max(1, 65536 / panelSize))
      panelsPerTask.append(panels)
      let parts = (plan.panelCount + panels - 1) / panels
      firstTasks.append(firstTasks[firstTasks.count - 1] + problem.groupCount * parts)
    }
    self.panelsPerTask = panelsPerTask
    self.firstTasks = firstTasks
  }

  var taskCount: Int { firstTasks[firstTasks.count - 1] }

  var elementCount: Int {
    plans.reduce(0) { $0 + problem.groupCount * problem.rowsPerGroup * $1.depth }
  }

  /// Everything that determines the packed form, besides the weights.
  var format: String {
    let layout = problem.weightLayout
    let classes = plans.map { plan in
      let taps = plan.axes.map { "\($0.firstTap)/\($0.tapStep)/\($0.tapCount)" }
      return "\(plan.panelCount):\(taps.depth),\(taps.height),\(taps.width)"
    }
    return "convolution/\(problem.groupCount)/\(layout.group)/\(layout.row)/\(layout.channel)/"
      + classes.joined(separator: ";")
  }

  func run(_ task: Int, weights: UnsafeRawPointer, packed: UnsafeMutableRawPointer) {
    var index = 0
    while firstTasks[index + 1] <= task { index += 1 }
    let plan = plans[index]
    let parts = (plan.panelCount + panelsPerTask[index] - 1) / panelsPerTask[index]
    let (group, part) = (task - firstTasks[index]).quotientAndRemainder(dividingBy: parts)
    let panels = evenRange(of: plan.panelCount, part: part, partCount: parts)
    let (height, width) = (problem.kernelExtents.height, problem.kernelExtents.width)
    let axes = plan.axes
    let firstTap =
      (axes.depth.firstTap * height + axes.height.firstTap) * width + axes.width.firstTap

    var description = graft_conv_weights()
    description.weights = weights + (group * problem.weightLayout.group + firstTap) * byteWidth
    description.rows = problem.rowsPerGroup
    description.channels = problem.channelsPerGroup
    description.row_stride = problem.weightLayout.row
    description.channel_stride = problem.weightLayout.channel
    description.taps = (axes.depth.tapCount, axes.height.tapCount, axes.width.tapCount)
    description.tap_stride = (
      axes.depth.tapStep * height * width, axes.height.tapStep * width, axes.width.tapStep
    )
    let offset = plan.weightOffset + group * problem.rowsPerGroup * plan.depth
    instructionSet.kernels.pointee.conv[Int(element)].pointee.pack_weights(
      &description, plan.panelCount, panels.lowerBound, panels.count, packed + offset * byteWidth)
  }
}
