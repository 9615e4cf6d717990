import CGraftKernels
import GraftExecution

/// A step: the products of the states and R, and the gates.
extension RecurrentKernel {
  /// Runs a stage of a step for some sequences and blocks of units.
  func run(
    _ arguments: KernelArguments, stage: Int, step: Int, direction: Int, sequences: Range<Int>,
    blocks: Range<Int>
  ) {
    var description = description(
      arguments, step: step, direction: direction, sequences: sequences)
    if multipliesInputs, stage == 0, step % chunk == 0 {
      multiplyInputs(
        arguments, steps: step..<min(step + chunk, shape.steps), direction, sequences, blocks)
    }
    let kernels = layout.steps
    // Sums of a few blocks stay in the L1 cache until their gates are computed.
    let size = max(1, 4096 / max(1, widestColumns * sequences.count))
    var first = blocks.lowerBound
    while first < blocks.upperBound {
      let part = first..<min(first + size, blocks.upperBound)
      first = part.upperBound
      description.first_block = part.lowerBound
      description.block_count = part.count
      switch cell {
      case .lstm:
        multiplyStates(arguments, 0, direction, description, part)
        kernels.lstm(&description)
      case .rnn:
        multiplyStates(arguments, 0, direction, description, part)
        kernels.rnn(&description)
      case .gru(true):
        multiplyStates(arguments, 0, direction, description, part)
        multiplyStates(arguments, 1, direction, description, part)
        kernels.gru(&description)
      case .gru(false):
        multiplyStates(arguments, stage, direction, description, part)
        if stage == 0 { kernels.gru_reset(&description) } else { kernels.gru(&description) }
      }
    }
  }

  /// Adds the products with R to a group's sums in some blocks.
  private func multiplyStates(
    _ arguments: KernelArguments, _ group: Int, _ direction: Int, _ step: graft_recurrent_step,
    _ blocks: Range<Int>
  ) {
    let sums = group == 0 ? step.gates : step.recurrent ?? step.candidates
    guard step.row_count == 1, step.time % 2 == 1 else {
      multiply(arguments, group, direction, step, sums, blocks)
      return
    }
    // Every other step goes through R backwards, from the part that is still in the L2 cache. A
    // product of one row computes four panels at once.
    let size = max(1, 4 / groups[group].count)
    var end = blocks.upperBound
    while end > blocks.lowerBound {
      let count = (end - blocks.lowerBound) % size == 0 ? size : (end - blocks.lowerBound) % size
      multiply(arguments, group, direction, step, sums, end - count..<end)
      end -= count
    }
  }

  /// Sets the sums of some steps and blocks to X · Wᵀ and the biases. A block of W is read once for
  /// all of these steps.
  private func multiplyInputs(
    _ arguments: KernelArguments, steps: Range<Int>, _ direction: Int, _ sequences: Range<Int>,
    _ blocks: Range<Int>
  ) {
    guard let scratch = arguments.scratch else { return }
    let firstTime = firstTime(of: steps, direction: direction)
    let sequence = sequences.lowerBound
    for (group, gates) in zip(groups.indices, gates) {
      let columns = layout.columnCount(groups[group])
      let panels = groups[group].count
      var problem = layout.problem(depth: shape.inputs, columns: columns)
      problem.a_row_stride = shape.isBatchFirst ? shape.steps * shape.inputs : shape.inputs
      problem.b = weights[group].address(arguments).map {
        $0 + direction * columns * shape.inputs * width
      }
      problem.c_row_stride = gates.sequenceStride
      problem.addend = biases[group]?.address(arguments).map { $0 + direction * columns * width }
      for block in blocks {
        problem.next = problem.b.map {
          $0 + (block + 1) * panels * layout.blockUnits * shape.inputs * width
        }
        if block + 1 == blocks.upperBound {
          // The products with R come next.
          problem.next = recurrentPanels(arguments, group, direction, block: blocks.lowerBound)
        }
        for time in firstTime..<firstTime + steps.count {
          let row =
            shape.isBatchFirst
            ? sequence * shape.steps + time : time * shape.batch + sequence
          problem.a = arguments.input(RecurrentInput.x) + row * shape.inputs * width
          problem.c = gates.address(
            scratch, direction: direction, time: time - firstTime, sequence: sequence)
          layout.products.packed_product(
            &problem, 0, sequences.count, block * panels, panels)
        }
      }
    }
  }

  /// Adds the products of states and a group's panels of R to sums of gates.
  private func multiply(
    _ arguments: KernelArguments, _ group: Int, _ direction: Int,
    _ step: graft_recurrent_step, _ sums: UnsafeMutableRawPointer?, _ blocks: Range<Int>
  ) {
    let columns = layout.columnCount(groups[group])
    var problem = layout.problem(depth: shape.units, columns: columns)
    problem.a = step.hidden_before
    problem.a_row_stride = step.before_stride
    if group == 1, let reset = step.reset_hidden {
      problem.a = UnsafeRawPointer(reset)
      problem.a_row_stride = step.reset_stride
    }
    problem.b = recurrentPanels(arguments, group, direction, block: 0)
    problem.c = sums
    if group == 1, step.recurrent != nil {
      problem.c_row_stride = step.recurrent_stride
      problem.addend = recurrentBias?.address(arguments).map { $0 + direction * columns * width }
    } else {
      problem.c_row_stride = gates[group].sequenceStride
      problem.addend = UnsafeRawPointer(sums)
      problem.addend_row_stride = problem.c_row_stride
    }
    let panels = groups[group].count
    if blocks.upperBound < layout.blockCount {
      problem.next = recurrentPanels(arguments, group, direction, block: blocks.upperBound)
    }
    layout.products.packed_product(
      &problem, 0, step.row_count, blocks.lowerBound * panels, blocks.count * panels)
  }

  /// A group's panels of R from a block on.
  private func recurrentPanels(
    _ arguments: KernelArguments, _ group: Int, _ direction: Int, block: Int
  ) -> UnsafeRawPointer? {
    let units = (direction * layout.blockCount + block) * layout.blockUnits
    return recurrentWeights[group].address(arguments).map {
      $0 + units * groups[group].count * shape.units * width
    }
  }

  /// Describes a step of some sequences to C.
  func description(
    _ arguments: KernelArguments, step: Int, direction: Int, sequences: Range<Int>
  ) -> graft_recurrent_step {
    var description = graft_recurrent_step()
    guard let scratch = arguments.scratch else { return description }
    let time = time(ofStep: step, direction: direction)
    let sequence = sequences.lowerBound
    description.row_count = sequences.count
    description.unit_count = shape.units
    description.block_units = layout.blockUnits
    description.f = functions[direction * 3].parameters
    description.g = functions[direction * 3 + 1].parameters
    description.h = functions[direction * 3 + 2].parameters
    description.clip = attributes.clip
    if case .lstm(true) = cell { description.couples_gates = 1 }
    description.lengths = arguments.optionalInput(RecurrentInput.lengths, as: Int32.self).map {
      $0 + sequence
    }
    description.time = time

    let firstStep = step / chunk * chunk
    let chunkTime =
      time
      - firstTime(of: firstStep..<min(firstStep + chunk, shape.steps), direction: direction)
    func address(_ rows: RecurrentRows, _ time: Int) -> UnsafeMutableRawPointer {
      rows.address(scratch, direction: direction, time: time, sequence: sequence)
    }
    description.gates = address(gates[0], chunkTime)
    description.gates_stride = gates[0].sequenceStride
    if let reset {
      description.candidates = address(gates[1], chunkTime)
      description.candidates_stride = gates[1].sequenceStride
      let rows = address(reset, keepsAll ? time : 0)
      if case .gru(true) = cell {
        description.recurrent = rows
        description.recurrent_stride = reset.sequenceStride
      } else {
        description.reset_hidden = rows
        description.reset_stride = reset.sequenceStride
      }
    }
    description.peepholes = peepholes?.address(arguments).map {
      $0 + direction * 3 * layout.paddedUnits * width
    }
    description.peephole_stride = layout.paddedUnits
    let before = state(
      0, beforeStep: step, direction: direction, sequence: sequence, scratch)
    let after = state(
      0, beforeStep: step + 1, direction: direction, sequence: sequence, scratch)
    description.hidden_before = UnsafeRawPointer(before.address)
    description.before_stride = before.stride
    description.hidden_after = after.address
    description.after_stride = after.stride
    if cell.hasCellState {
      description.cell_before = UnsafeRawPointer(
        state(1, beforeStep: step, direction: direction, sequence: sequence, scratch).address)
      description.cell_after =
        state(1, beforeStep: step + 1, direction: direction, sequence: sequence, scratch).address
    }
    if !keepsAll, arguments.hasOutput(0) {
      let row = shape.outputRow(time: time, direction: direction, sequence: sequence)
      description.y = arguments.output(0) + row * shape.units * width
    }
    description.y_stride = shape.outputRowStep * shape.units
    return description
  }
}
