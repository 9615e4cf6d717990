import CGraftKernels
import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The kernel of the gradients of LSTM, GRU and RNN: backpropagation through time.
///
/// It computes the node again and keeps the sums that enter the gates, and the states. Going back,
/// the gradients of these sums take their places; products of all steps then give the gradients of
/// X, W and R.
final class RecurrentGradientKernel: Sendable {
  private let forward: RecurrentKernel
  private let groups: [[Int]]
  private let operands: [PackedOperand]
  private let transposedWeights: [PackedOperand.Place]
  private let transposedRecurrentWeights: [PackedOperand.Place]
  /// The gradients of the states.
  private let gradients: [RecurrentRows]
  /// Of GRU without linear_before_reset: the gradient of the reset gate times the hidden state.
  private let resetGradient: RecurrentRows?
  /// Of each sequence, [i, o, f][padded unit].
  private let peepholeGradient: RecurrentRows?
  private let peepholeSums: Int
  /// Offsets of the gradients of W, R and the biases of each group, with rows as gates are packed.
  private let weightGradients: [Int]
  private let recurrentWeightGradients: [Int]
  private let biasGradients: [Int]
  private let recurrentBiasGradients: [Int]
  private let scratchByteCount: Int
  private let blocks: (weights: [MatrixBlocks], recurrentWeights: [MatrixBlocks])
  private let wanted: Set<Int>

  private var layout: RecurrentLayout { forward.layout }
  private var shape: RecurrentShape { forward.shape }
  private var cell: RecurrentCell { forward.cell }
  private var width: Int { forward.width }
  private var rowCount: Int { shape.steps * shape.batch }

  init(
    _ attributes: RecurrentAttributes, _ elementType: ElementType, _ context: PrepareContext
  ) throws {
    var scratch = ScratchLayout()
    let forward = try RecurrentKernel(
      attributes, elementType, keepsAll: true, scratch: &scratch, context)
    self.forward = forward
    let (layout, shape) = (forward.layout, forward.shape)
    let groups = forward.cell.gateGroups
    self.groups = groups
    let wanted = Set((0...RecurrentGradient.peepholes).filter { context.hasOutput($0) })
    self.wanted = wanted
    var operands: [PackedOperand] = []
    func transposed(_ input: Int, _ columns: Int, _ panelColumns: Int) throws
      -> [PackedOperand.Place]
    {
      try groups.map {
        let operand = try layout.transposedPanels(
          of: input, columns: columns, panelColumns: panelColumns, group: $0, scratch: &scratch,
          context)
        operands.append(operand)
        return operand.place
      }
    }
    transposedRecurrentWeights = try transposed(
      RecurrentInput.recurrentWeights, shape.units, layout.blockUnits)
    transposedWeights =
      wanted.contains(RecurrentGradient.x)
      ? try transposed(RecurrentInput.weights, shape.inputs, layout.products.panel_columns) : []
    self.operands = operands

    func rows(_ stride: Int) throws -> RecurrentRows {
      try RecurrentRows(
        layout, stride: stride, times: 1, isBatchFirst: false, scratch: &scratch)
    }
    gradients = try (0..<forward.cell.stateCount).map { _ in try rows(layout.stateStride) }
    resetGradient = if case .gru(false) = forward.cell { try rows(layout.stateStride) } else { nil }
    let hasPeepholes =
      wanted.contains(RecurrentGradient.peepholes) && context.hasInput(RecurrentInput.peepholes)
    peepholeGradient = hasPeepholes ? try rows(3 * layout.paddedUnits) : nil
    peepholeSums = try scratch.reserve(
      [hasPeepholes ? shape.directions : 0, 3 * layout.paddedUnits], of: elementType)

    func matrices(_ columns: Int, for output: Int) throws -> [Int] {
      guard wanted.contains(output) else { return [] }
      return try groups.map {
        try scratch.reserve(
          [shape.directions, layout.columnCount($0), columns], of: elementType)
      }
    }
    weightGradients = try matrices(shape.inputs, for: RecurrentGradient.weights)
    recurrentWeightGradients = try matrices(shape.units, for: RecurrentGradient.recurrentWeights)
    biasGradients = try matrices(1, for: RecurrentGradient.bias)
    recurrentBiasGradients =
      forward.isLinearBeforeReset ? try matrices(1, for: RecurrentGradient.bias) : biasGradients
    let rowCount = shape.steps * shape.batch
    func matrixBlocks(_ columns: Int) -> [MatrixBlocks] {
      groups.map {
        MatrixBlocks(
          rows: layout.columnCount($0), columns: columns, depth: rowCount,
          repetitions: shape.directions)
      }
    }
    blocks = (matrixBlocks(shape.inputs), matrixBlocks(shape.units))
    scratchByteCount = scratch.byteCount
  }

  /// The kernel of a node.
  static func kernel(
    _ attributes: RecurrentAttributes, _ context: PrepareContext
  ) throws -> PreparedKernel {
    let elementType = try context.input(RecurrentInput.x).elementType
    if Set.halfPrecision.contains(elementType) {
      return try context.converting([elementType], to: .float) {
        try RecurrentGradientKernel.kernel(attributes, $0)
      }
    }
    return try RecurrentGradientKernel(attributes, elementType, context).prepared
  }

  private var prepared: PreparedKernel {
    var phases = forward.phases + operands.compactMap(\.phase)
    phases.append(initialPhase)
    phases += forward.tasks.phases((0..<shape.steps).reversed(), stageCount: stageCount) {
      [self] arguments, stage, step, direction, sequences, blocks in
      run(
        arguments, stage: stage, step: step, direction: direction, sequences: sequences,
        blocks: blocks)
    }
    if wanted.contains(RecurrentGradient.x) { phases.append(inputPhase) }
    for output in [RecurrentGradient.weights, RecurrentGradient.recurrentWeights]
    where wanted.contains(output) {
      phases.append(productPhase(of: output))
    }
    if wanted.contains(RecurrentGradient.bias) { phases.append(biasPhase) }
    phases.append(finalPhase)
    let largest = (blocks.weights + blocks.recurrentWeights).map {
      layout.products.scratch_byte_count($0.largestRowCount, $0.largestColumnCount, rowCount)
    }
    return PreparedKernel(
      phases: phases, scratchByteCount: scratchByteCount,
      workerScratchByteCount: largest.max() ?? 0)
  }

  // MARK: Steps

  /// Parts of a step that need all units of the one before.
  private var stageCount: Int { if case .gru(false) = cell { 3 } else { 2 } }

  /// Sets the gradients of the states after the last step.
  private var initialPhase: PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: 1) { [self] arguments, _ in
      guard let scratch = arguments.scratch else { return }
      let lengths = arguments.optionalInput(RecurrentInput.lengths, as: Int32.self)
      let rowByteCount = shape.units * width
      for direction in 0..<shape.directions {
        for sequence in 0..<shape.batch {
          for index in 0..<cell.stateCount {
            let target = gradients[index].address(
              scratch, direction: direction, sequence: sequence)
            target.initializeMemory(
              as: UInt8.self, repeating: 0, count: layout.stateStride * width)
            let input = cell.inputCount + 1 + index
            // The states after a sequence without elements are constant.
            guard arguments.hasInput(input), lengths.map({ $0[sequence] > 0 }) ?? true else {
              continue
            }
            let row = shape.stateRow(direction: direction, sequence: sequence)
            target.copyMemory(
              from: arguments.input(input) + row * rowByteCount, byteCount: rowByteCount)
          }
          if let peepholeGradient {
            peepholeGradient.address(scratch, direction: direction, sequence: sequence)
              .initializeMemory(
                as: UInt8.self, repeating: 0, count: peepholeGradient.stride * width)
          }
        }
      }
    }
  }

  private func run(
    _ arguments: KernelArguments, stage: Int, step: Int, direction: Int, sequences: Range<Int>,
    blocks: Range<Int>
  ) {
    guard let scratch = arguments.scratch else { return }
    var description = forward.description(
      arguments, step: step, direction: direction, sequences: sequences)
    description.first_block = blocks.lowerBound
    description.block_count = blocks.count
    let sequence = sequences.lowerBound
    if arguments.hasInput(cell.inputCount) {
      let row = shape.outputRow(
        time: description.time, direction: direction, sequence: sequence)
      description.y_gradient = arguments.input(cell.inputCount) + row * shape.units * width
    }
    description.hidden_gradient = gradients[0].address(
      scratch, direction: direction, sequence: sequence)
    description.gradient_stride = layout.stateStride
    if cell.hasCellState {
      description.cell_gradient = gradients[1].address(
        scratch, direction: direction, sequence: sequence)
    }
    description.peephole_gradient = peepholeGradient?.address(
      scratch, direction: direction, sequence: sequence)
    description.peephole_gradient_stride = peepholeGradient?.stride ?? 0
    let reset = resetGradient?.address(scratch, direction: direction, sequence: sequence)
    description.reset_gradient = UnsafeRawPointer(reset)

    let kernels = layout.steps
    switch (cell, stage) {
    case (.lstm, 0): kernels.lstm_gradient(&description)
    case (.rnn, 0): kernels.rnn_gradient(&description)
    case (.gru, 0): kernels.gru_gradient(&description)
    case (.gru(false), 1):
      multiply(arguments, 1, direction, description, reset, adds: false, blocks)
      kernels.gru_reset_gradient(&description)
    case (.gru(true), _):
      multiply(
        arguments, 0, direction, description, description.hidden_gradient, adds: true, blocks)
      multiply(
        arguments, 1, direction, description, description.hidden_gradient, adds: true, blocks)
    default:
      multiply(
        arguments, 0, direction, description, description.hidden_gradient, adds: true, blocks)
    }
  }

  /// Products of the gradients of a group's sums and R, for some blocks of its columns.
  private func multiply(
    _ arguments: KernelArguments, _ group: Int, _ direction: Int, _ step: graft_recurrent_step,
    _ products: UnsafeMutableRawPointer?, adds: Bool, _ blocks: Range<Int>
  ) {
    let depth = layout.columnCount(groups[group])
    var problem = layout.problem(depth: depth, columns: shape.units)
    if group == 0 {
      problem.a = UnsafeRawPointer(step.gates)
      problem.a_row_stride = step.gates_stride
    } else if let recurrent = step.recurrent {
      problem.a = UnsafeRawPointer(recurrent)
      problem.a_row_stride = step.recurrent_stride
    } else {
      problem.a = UnsafeRawPointer(step.candidates)
      problem.a_row_stride = step.candidates_stride
    }
    let size = layout.blockCount * layout.blockUnits * depth
    problem.b = transposedRecurrentWeights[group].address(arguments).map {
      $0 + direction * size * width
    }
    problem.c = products
    problem.c_row_stride = layout.stateStride
    if adds {
      problem.addend = UnsafeRawPointer(products)
      problem.addend_row_stride = problem.c_row_stride
    }
    layout.products.packed_product(
      &problem, 0, step.row_count, blocks.lowerBound, blocks.count)
  }

  // MARK: Products of all steps

  /// The gradients of a group's sums, as far as they come from products with states rather than
  /// inputs.
  private func sums(_ group: Int, areRecurrent: Bool) -> RecurrentRows {
    if areRecurrent, group == 1, forward.isLinearBeforeReset, let reset = forward.reset {
      return reset
    }
    return forward.gates[group]
  }

  private var inputPhase: PreparedKernel.Phase {
    let panelColumns = layout.products.panel_columns
    let panels = (shape.inputs + panelColumns - 1) / panelColumns
    let depths = groups.map { layout.columnCount($0) }
    let split = PanelSplit(
      rows: rowCount, depth: shape.directions * depths.reduce(0, +), panels: panels,
      panelColumns: panelColumns)
    return PreparedKernel.Phase(taskCount: split.count) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let (rows, panelRange) = split.ranges(ofTask: task)
      let target = arguments.output(RecurrentGradient.x)
      for direction in 0..<shape.directions {
        for group in groups.indices {
          let depth = depths[group]
          var problem = layout.problem(depth: depth, columns: shape.inputs)
          problem.panel_columns = panelColumns
          let sums = sums(group, areRecurrent: false)
          problem.a = UnsafeRawPointer(sums.address(scratch, direction: direction))
          problem.a_row_stride = sums.stride
          problem.b = transposedWeights[group].address(arguments).map {
            $0 + direction * panels * panelColumns * depth * width
          }
          problem.c = target
          problem.c_row_stride = shape.inputs
          if direction + group > 0 {
            problem.addend = UnsafeRawPointer(target)
            problem.addend_row_stride = shape.inputs
          }
          layout.products.packed_product(
            &problem, rows.lowerBound, rows.count, panelRange.lowerBound, panelRange.count)
        }
      }
    }
  }

  /// The gradient of W or R: for each group the sums' gradients, transposed, times what W or R is
  /// multiplied by.
  private func productPhase(of output: Int) -> PreparedKernel.Phase {
    let isRecurrent = output == RecurrentGradient.recurrentWeights
    let columns = isRecurrent ? shape.units : shape.inputs
    let blocks = isRecurrent ? blocks.recurrentWeights : blocks.weights
    let targets = isRecurrent ? recurrentWeightGradients : weightGradients
    let counts = blocks.map { shape.directions * $0.count }
    return PreparedKernel.Phase(taskCount: counts.reduce(0, +)) { [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let group = task < counts[0] ? 0 : 1
      let (direction, block) = (task - (group == 0 ? 0 : counts[0])).quotientAndRemainder(
        dividingBy: blocks[group].count)
      let rows = layout.columnCount(groups[group])
      let sums = sums(group, areRecurrent: isRecurrent)
      var problem = layout.problem(depth: rowCount, columns: columns)
      problem.rows = rows
      problem.a = UnsafeRawPointer(sums.address(scratch, direction: direction))
      problem.a_row_stride = 1
      problem.a_depth_stride = sums.stride
      if isRecurrent {
        let isReset = group == 1 && !forward.isLinearBeforeReset
        let factor = (isReset ? forward.reset : nil) ?? forward.states[0]
        problem.b = UnsafeRawPointer(factor.address(scratch, direction: direction))
        problem.b_depth_stride = factor.stride
      } else {
        problem.b = arguments.input(RecurrentInput.x)
        problem.b_depth_stride = shape.inputs
      }
      problem.b_column_stride = 1
      problem.c = scratch + targets[group] + direction * rows * columns * width
      problem.c_row_stride = columns
      let (rowRange, columnRange) = blocks[group].ranges(ofBlock: block)
      layout.products.product(
        &problem, rowRange.lowerBound, rowRange.count, columnRange.lowerBound, columnRange.count,
        arguments.workerScratch)
    }
  }

  private var biasPhase: PreparedKernel.Phase {
    let parts = forward.isLinearBeforeReset ? 2 : 1
    let tasksPerPart = shape.directions * layout.blockCount
    return PreparedKernel.Phase(taskCount: parts * groups.count * tasksPerPart) {
      [self] arguments, task in
      guard let scratch = arguments.scratch else { return }
      let (part, place) = task.quotientAndRemainder(dividingBy: tasksPerPart)
      let (isRecurrent, group) = part.quotientAndRemainder(dividingBy: groups.count)
      let (direction, block) = place.quotientAndRemainder(dividingBy: layout.blockCount)
      let targets = isRecurrent == 1 ? recurrentBiasGradients : biasGradients
      let columns = groups[group].count * layout.blockUnits
      let sums = sums(group, areRecurrent: isRecurrent == 1)
      layout.steps.sum_rows(
        sums.address(scratch, direction: direction) + block * columns * width, sums.stride,
        rowCount, columns,
        scratch + targets[group]
          + (direction * layout.columnCount(groups[group]) + block * columns) * width)
    }
  }

  /// Brings what was computed in packed order into that of the outputs.
  private var finalPhase: PreparedKernel.Phase {
    PreparedKernel.Phase(taskCount: shape.directions) { [self] arguments, direction in
      guard let scratch = arguments.scratch else { return }
      let gateRows = cell.gateCount * shape.units
      func unpack(_ sources: [Int], columns: Int, to target: UnsafeMutableRawPointer) {
        for (group, source) in zip(groups, sources) {
          let size = layout.columnCount(group) * columns * width
          layout.unpack(
            scratch + source + direction * size, group: group, rowByteCount: columns * width,
            to: target)
        }
      }
      if wanted.contains(RecurrentGradient.weights) {
        unpack(
          weightGradients, columns: shape.inputs,
          to: arguments.output(RecurrentGradient.weights)
            + direction * gateRows * shape.inputs * width)
      }
      if wanted.contains(RecurrentGradient.recurrentWeights) {
        unpack(
          recurrentWeightGradients, columns: shape.units,
          to: arguments.output(RecurrentGradient.recurrentWeights)
            + direction * gateRows * shape.units * width)
      }
      if wanted.contains(RecurrentGradient.bias) {
        let target =
          arguments.output(RecurrentGradient.bias) + direction * 2 * gateRows * width
        unpack(biasGradients, columns: 1, to: target)
        unpack(recurrentBiasGradients, columns: 1, to: target + gateRows * width)
      }
      finishStates(arguments, direction: direction, scratch)
      finishPeepholes(arguments, direction: direction, scratch)
    }
  }

  private func finishStates(
    _ arguments: KernelArguments, direction: Int, _ scratch: UnsafeMutableRawPointer
  ) {
    let rowByteCount = shape.units * width
    for index in 0..<cell.stateCount
    where wanted.contains(RecurrentGradient.initialHidden + index) {
      for sequence in 0..<shape.batch {
        let row = shape.stateRow(direction: direction, sequence: sequence)
        (arguments.output(RecurrentGradient.initialHidden + index) + row * rowByteCount)
          .copyMemory(
            from: gradients[index].address(scratch, direction: direction, sequence: sequence),
            byteCount: rowByteCount)
      }
    }
  }

  private func finishPeepholes(
    _ arguments: KernelArguments, direction: Int, _ scratch: UnsafeMutableRawPointer
  ) {
    guard let peepholeGradient else {
      if wanted.contains(RecurrentGradient.peepholes) {
        let byteCount = 3 * shape.units * width
        (arguments.output(RecurrentGradient.peepholes) + direction * byteCount)
          .initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
      }
      return
    }
    let size = 3 * layout.paddedUnits
    let sums = scratch + peepholeSums + direction * size * width
    layout.steps.sum_rows(
      peepholeGradient.address(scratch, direction: direction), peepholeGradient.stride,
      shape.batch, size, sums)
    for gate in 0..<3 {
      let row = direction * 3 + gate
      (arguments.output(RecurrentGradient.peepholes) + row * shape.units * width).copyMemory(
        from: sums + gate * layout.paddedUnits * width, byteCount: shape.units * width)
    }
  }
}

/// The outputs of gradients of LSTM, GRU and RNN by position; the last two are LSTM's.
///
/// That of R comes first: output 0 is always computed, and what trains a node nearly always needs
/// it, while that of X is not needed in a first layer.
enum RecurrentGradient {
  static let recurrentWeights = 0
  static let weights = 1
  static let bias = 2
  static let x = 3
  static let initialHidden = 4
  static let initialCell = 5
  static let peepholes = 6
}

extension RecurrentAttributes {
  /// Infers the outputs of a gradient, whose inputs are those of the node, and the gradients of its
  /// outputs.
  func inferGradient(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(RecurrentInput.x)
    try context.require(RecurrentInput.x, .floatingPoint)
    try context.requireSameElementType(
      (0..<cell.inputCount + 1 + cell.stateCount).filter { $0 != RecurrentInput.lengths })
    if context.hasInput(RecurrentInput.lengths) {
      try context.require(RecurrentInput.lengths, [.int32])
    }
    let extents = try checkedExtents(context)
    let state = extents.state(isBatchFirst: isBatchFirst)
    let arriving =
      [extents.output(isBatchFirst: isBatchFirst)] + Array(repeating: state, count: cell.stateCount)
    for (index, shape) in arriving.enumerated() where context.hasInput(cell.inputCount + index) {
      try context.requireShape(cell.inputCount + index, shape)
    }
    func gates(_ factor: Int) throws -> Dimension {
      try [extents.units, .known(factor)].product()
    }
    let (gateRows, directions) = (try gates(cell.gateCount), extents.directions)
    let shapes: [[Dimension]] = [
      [directions, gateRows, extents.units], [directions, gateRows, extents.inputs],
      [directions, try gates(2 * cell.gateCount)], try context.shape(RecurrentInput.x), state,
      state,
      [directions, try gates(3)],
    ]
    for (index, shape) in shapes.prefix(cell.hasCellState ? 7 : 5).enumerated() {
      context.setOutput(index, elementType, shape)
    }
  }

  /// Appends the gradient node of `builder`'s node.
  func addGradient(_ schema: OperatorSchema, _ builder: inout GradientBuilder) throws {
    let node = builder.node
    var inputs = (0..<cell.inputCount).map { $0 < node.inputs.count ? node.inputs[$0] : nil }
    for output in 0...cell.stateCount {
      inputs.append(
        output < builder.outputGradients.count ? builder.outputGradients[output] : nil)
    }
    let gradients = builder.add(
      schema.name, domain: schema.domain, inputs, attributes: node.attributes,
      outputCount: cell.hasCellState ? 7 : 5)
    let targets: [(input: Int, output: Int)] = [
      (RecurrentInput.x, RecurrentGradient.x),
      (RecurrentInput.weights, RecurrentGradient.weights),
      (RecurrentInput.recurrentWeights, RecurrentGradient.recurrentWeights),
      (RecurrentInput.bias, RecurrentGradient.bias),
      (RecurrentInput.initialHidden, RecurrentGradient.initialHidden),
      (RecurrentInput.initialCell, RecurrentGradient.initialCell),
      (RecurrentInput.peepholes, RecurrentGradient.peepholes),
    ]
    for target in targets where builder.needs(target.input) {
      builder.setInputGradient(target.input, gradients[target.output])
    }
  }
}
