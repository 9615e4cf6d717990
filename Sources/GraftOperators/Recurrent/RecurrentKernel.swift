import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// The kernel of LSTM, GRU and RNN.
///
/// For some steps at a time, one product computes what the inputs add to all gates; then come the
/// steps, each with the product of the hidden states and R, and the gates. With many sequences, a
/// task multiplies the inputs of four steps itself: their sums stay in its L2 cache. Tasks divide
/// sequences and directions, which need not wait for each other, or hidden units, with phases for
/// each step. An element's sums are the same in all cases.
final class RecurrentKernel: Sendable {
  let layout: RecurrentLayout
  let attributes: RecurrentAttributes
  let tasks: RecurrentTasks
  /// Whether sums and states of all steps are kept, for the gradient.
  let keepsAll: Bool
  /// The steps whose inputs are multiplied at once.
  let chunk: Int
  /// Whether tasks multiply the inputs of their steps themselves.
  let multipliesInputs: Bool
  let groups: [[Int]]
  /// f, g and h of each direction; what a cell does not have is not used.
  let functions: [RecurrentFunction]
  /// What is packed, and where it is.
  private let operands: [PackedOperand]
  let weights: [PackedOperand.Place]
  let recurrentWeights: [PackedOperand.Place]
  let biases: [PackedOperand.Place?]
  /// Of GRU with linear_before_reset: the bias that the reset gate multiplies.
  let recurrentBias: PackedOperand.Place?
  let peepholes: PackedOperand.Place?
  /// The columns of the widest group in a block.
  let widestColumns: Int
  /// Sums of each group's gates, in which gradients are stored.
  let gates: [RecurrentRows]
  /// Of GRU: with linear_before_reset what the reset gate multiplies, otherwise its products with
  /// the hidden state.
  let reset: RecurrentRows?
  /// The hidden states and the cells before each step, or two that take turns; then those after the
  /// last step.
  let states: [RecurrentRows]
  let finalStates: [RecurrentRows]

  var cell: RecurrentCell { layout.cell }
  var shape: RecurrentShape { layout.shape }
  var width: Int { layout.width }

  /// The bytes of sums that the steps of a chunk should not exceed: they are read back from the
  /// cache.
  private static let chunkByteCount = 1 << 20
  /// From this number of sequences on, tasks multiply their inputs themselves.
  private static let fewestSequences = 12
  /// How many steps' inputs are multiplied then each time that W is read.
  private static let stepsPerRead = 4

  /// - Parameter keepsAll: whether to keep all steps, for the gradient
  init(
    _ attributes: RecurrentAttributes, _ elementType: ElementType, keepsAll: Bool,
    scratch: inout ScratchLayout, _ context: PrepareContext
  ) throws {
    let shape = try attributes.shape(context)
    let layout = try RecurrentLayout(
      attributes.cell, shape, elementType, context.instructionSet)
    self.layout = layout
    self.attributes = attributes
    self.keepsAll = keepsAll
    tasks = RecurrentTasks(layout)
    let groups = attributes.cell.gateGroups
    self.groups = groups
    widestColumns = (groups.map { $0.count }.max() ?? 1) * layout.blockUnits
    functions = attributes.functions.flatMap {
      [$0[0], $0[min(1, $0.count - 1)], $0[$0.count - 1]]
    }
    var operands: [PackedOperand] = []
    func place(_ operand: PackedOperand?) -> PackedOperand.Place? {
      if let operand { operands.append(operand) }
      return operand?.place
    }
    func panels(_ input: Int, _ depth: Int) throws -> [PackedOperand.Place] {
      try groups.compactMap {
        place(try layout.panels(of: input, depth: depth, group: $0, scratch: &scratch, context))
      }
    }
    weights = try panels(RecurrentInput.weights, shape.inputs)
    recurrentWeights = try panels(RecurrentInput.recurrentWeights, shape.units)
    let isLinear = if case .gru(true) = attributes.cell { true } else { false }
    biases = try groups.enumerated().map { index, group in
      place(
        try layout.bias(
          isLinear && index == 1 ? .input : .sum, group: group, scratch: &scratch, context))
    }
    recurrentBias =
      isLinear
      ? place(try layout.bias(.recurrent, group: groups[1], scratch: &scratch, context)) : nil
    peepholes = place(try layout.peepholes(scratch: &scratch, context))
    self.operands = operands

    let rowByteCount = groups.map { layout.gateStride($0) * elementType.byteWidth }.reduce(0, +)
    let stepByteCount = max(1, rowByteCount * shape.batch * shape.directions)
    let multipliesInputs = !keepsAll && shape.batch >= RecurrentKernel.fewestSequences
    let most =
      multipliesInputs
      ? RecurrentKernel.stepsPerRead : RecurrentKernel.chunkByteCount / stepByteCount
    let chunk = max(1, keepsAll ? shape.steps : min(shape.steps, most))
    self.chunk = chunk
    self.multipliesInputs = multipliesInputs
    let kept = max(1, shape.steps)
    func rows(_ stride: Int, times: Int) throws -> RecurrentRows {
      try RecurrentRows(
        layout, stride: stride, times: times, isBatchFirst: keepsAll && shape.isBatchFirst,
        scratch: &scratch)
    }
    gates = try groups.map {
      try RecurrentRows(
        layout, stride: layout.gateStride($0), times: chunk, isBatchFirst: shape.isBatchFirst,
        scratch: &scratch)
    }
    if case .gru = attributes.cell {
      reset = try rows(layout.stateStride, times: keepsAll ? kept : 1)
    } else {
      reset = nil
    }
    states = try (0..<attributes.cell.stateCount).map { _ in
      try rows(layout.stateStride, times: keepsAll ? kept : 2)
    }
    finalStates = try (0..<(keepsAll ? states.count : 0)).map { _ in
      try rows(layout.stateStride, times: 1)
    }
  }

  /// The kernel of a node.
  static func kernel(
    _ attributes: RecurrentAttributes, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let elementType = try context.input(RecurrentInput.x).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float) {
        try RecurrentKernel.kernel(attributes, $0)
      }
    }
    var scratch = ScratchLayout()
    let kernel = try RecurrentKernel(
      attributes, elementType, keepsAll: false, scratch: &scratch, context)
    return PreparedKernel(
      phases: kernel.phases + [kernel.finalPhase], scratchByteCount: scratch.byteCount)
  }

  /// All phases up to the states after the last step.
  var phases: [PreparedKernel.Phase] {
    guard shape.batch > 0 else { return [] }
    var phases = operands.compactMap(\.phase)
    phases.append(initialPhase)
    let size = multipliesInputs ? max(1, shape.steps) : chunk
    for first in stride(from: 0, to: shape.steps, by: size) {
      let steps = first..<min(first + size, shape.steps)
      if !multipliesInputs { phases.append(inputPhase(steps)) }
      phases += tasks.phases(steps, stageCount: stageCount) {
        [self] arguments, stage, step, direction, sequences, blocks in
        run(
          arguments, stage: stage, step: step, direction: direction, sequences: sequences,
          blocks: blocks)
      }
    }
    return phases
  }

  var isLinearBeforeReset: Bool { if case .gru(true) = cell { true } else { false } }

  /// Parts of a step that need all units of the one before.
  private var stageCount: Int { if case .gru(false) = cell { 2 } else { 1 } }

  /// The time of a step in the sequences.
  func time(ofStep step: Int, direction: Int) -> Int {
    attributes.isReverse || direction == 1 ? shape.steps - 1 - step : step
  }

  // MARK: States

  /// The address and the distance of the rows of a state before a step, or after the last one.
  func state(
    _ state: Int, beforeStep step: Int, direction: Int, sequence: Int,
    _ scratch: UnsafeMutableRawPointer
  ) -> (address: UnsafeMutableRawPointer, stride: Int) {
    let isFinal = keepsAll && step == shape.steps
    let rows = isFinal ? finalStates[state] : states[state]
    let place =
      keepsAll ? (isFinal ? 0 : time(ofStep: step, direction: direction)) : step % 2
    return (
      rows.address(scratch, direction: direction, time: place, sequence: sequence),
      rows.sequenceStride
    )
  }

  /// Checks the lengths of the sequences, and sets the first states.
  private var initialPhase: PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: 1) { [self] arguments, _ in
      guard let scratch = arguments.scratch else { return }
      if let lengths = arguments.optionalInput(RecurrentInput.lengths, as: Int32.self) {
        for sequence in 0..<shape.batch where !(0...shape.steps).contains(Int(lengths[sequence])) {
          throw GraftError.badData(
            "input \(RecurrentInput.lengths) has the length \(lengths[sequence]); "
              + "expected one from 0 to \(shape.steps)")
        }
      }
      let rowByteCount = shape.units * width
      for index in 0..<cell.stateCount {
        let input = RecurrentInput.initialHidden + index
        for direction in 0..<shape.directions {
          for sequence in 0..<shape.batch {
            let target = state(
              index, beforeStep: 0, direction: direction, sequence: sequence, scratch
            ).address
            // Padding lanes must not be huge: they are multiplied by 0.
            target.initializeMemory(as: UInt8.self, repeating: 0, count: layout.stateStride * width)
            if arguments.hasInput(input) {
              let row = shape.stateRow(direction: direction, sequence: sequence)
              target.copyMemory(
                from: arguments.input(input) + row * rowByteCount, byteCount: rowByteCount)
            }
          }
        }
      }
    }
  }

  /// Writes the states after the last step. A sequence without elements ends with zeros, as in
  /// onnxruntime; the specification does not say.
  private var finalPhase: PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: 1) { [self] arguments, _ in
      guard let scratch = arguments.scratch else { return }
      let lengths = arguments.optionalInput(RecurrentInput.lengths, as: Int32.self)
      let rowByteCount = shape.units * width
      for index in 0..<cell.stateCount where arguments.hasOutput(1 + index) {
        for direction in 0..<shape.directions {
          for sequence in 0..<shape.batch {
            let source = state(
              index, beforeStep: shape.steps, direction: direction, sequence: sequence, scratch
            ).address
            let row = shape.stateRow(direction: direction, sequence: sequence)
            let target = arguments.output(1 + index) + row * rowByteCount
            if (lengths.map { Int($0[sequence]) } ?? shape.steps) > 0 {
              target.copyMemory(from: source, byteCount: rowByteCount)
            } else {
              target.initializeMemory(as: UInt8.self, repeating: 0, count: rowByteCount)
            }
          }
        }
      }
    }
  }

  // MARK: Products

  /// Adds X · Wᵀ and the biases for some steps.
  private func inputPhase(_ steps: Range<Int>) -> PreparedKernel.Phase {
    // Rows of X that follow each other, as those of the gates do.
    let isWhole = !shape.isBatchFirst || steps.count == shape.steps
    let segmentCount = isWhole ? 1 : shape.batch
    let segmentRows = isWhole ? steps.count * shape.batch : steps.count
    let repetitions = segmentCount * shape.directions
    let splits = groups.map { group in
      PanelSplit(
        rows: segmentRows, depth: shape.inputs, panels: layout.blockCount * group.count,
        panelColumns: layout.blockUnits, repetitions: repetitions * groups.count)
    }
    let counts = splits.map { $0.count * repetitions }
    return PreparedKernel.Phase(taskCount: counts.reduce(0, +)) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let index = task < counts[0] ? 0 : 1
      let split = splits[index]
      let (product, part) = (task - (index == 0 ? 0 : counts[0])).quotientAndRemainder(
        dividingBy: split.count)
      let (direction, segment) = product.quotientAndRemainder(dividingBy: segmentCount)
      let (rows, panels) = split.ranges(ofTask: part)
      let firstTime = firstTime(of: steps, direction: direction)
      let row =
        shape.isBatchFirst ? segment * shape.steps + firstTime : firstTime * shape.batch
      let columns = layout.columnCount(groups[index])
      var problem = layout.problem(depth: shape.inputs, columns: columns)
      problem.a = arguments.input(RecurrentInput.x) + row * shape.inputs * width
      problem.a_row_stride = shape.inputs
      problem.b = weights[index].address(arguments).map {
        $0 + direction * columns * shape.inputs * width
      }
      problem.c = gates[index].segment(scratch, direction: direction, segment: segment)
      problem.c_row_stride = gates[index].stride
      problem.addend = biases[index]?.address(arguments).map { $0 + direction * columns * width }
      layout.products.packed_product(
        &problem, rows.lowerBound, rows.count, panels.lowerBound, panels.count)
    }
  }

  /// The first time of a chunk of steps.
  func firstTime(of steps: Range<Int>, direction: Int) -> Int {
    min(
      time(ofStep: steps.lowerBound, direction: direction),
      time(ofStep: steps.upperBound - 1, direction: direction))
  }
}

extension RecurrentLayout {
  /// A product with packed gates that computes sums without a limit.
  func problem(depth: Int, columns: Int) -> graft_gemm_problem {
    var problem = graft_gemm_problem()
    problem.columns = columns
    problem.depth = depth
    problem.a_depth_stride = 1
    problem.alpha = 1
    problem.beta = 1
    problem.activation = FusedActivation.identity.parameters
    problem.panel_columns = blockUnits
    return problem
  }
}
