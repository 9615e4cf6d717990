import CGraftKernels
import GraftExecution
import GraftFiles
import GraftTensor

/// A fused chain for known shapes, in the form of the C code.
final class ElementwiseChain: @unchecked Sendable {
  private let operands: UnsafeMutableBufferPointer<graft_chain_operand>
  private let steps: UnsafeMutableBufferPointer<graft_chain_step>
  /// The extents and strides that operands point to.
  private let axes: UnsafeMutableBufferPointer<Int>
  private var chain = graft_chain()

  /// The scratch buffers of a run.
  let bufferCount: Int

  /// The shortest row for which calling each step's function pays off.
  private static let shortestRow = 128

  /// - Throws: `GraftError` if a step has no operand with the output's shape, or there are too many
  init(
    _ program: [ElementwiseStep], operands shapes: [Shape], output: Shape,
    _ instructionSet: InstructionSet
  ) throws {
    let isFull = shapes.map { $0.elementCount == output.elementCount }
    let repeated = shapes.indices.filter { !isFull[$0] && shapes[$0].elementCount != 1 }
    let common = StridedRows(broadcasting: repeated.map { shapes[$0] }, to: output)
    let hasLongRows = common.innerCount >= Self.shortestRow
    let spreads = hasLongRows ? [] : repeated
    try Self.check(program, shapes, isFull)

    let registers = RegisterAssignment(program, firstFree: spreads.count)
    bufferCount = registers.bufferCount
    let registerCount = shapes.count + bufferCount + 1
    guard registerCount <= GRAFT_CHAIN_MAXIMUM_REGISTERS,
      output.count <= GRAFT_CHAIN_MAXIMUM_RANK
    else { throw GraftError.unsupported("a fused chain of this size or rank is not supported") }

    operands = .allocate(capacity: shapes.count)
    steps = .allocate(capacity: program.count)
    axes = .allocate(capacity: 2 * shapes.count * max(1, output.count))
    operands.initialize(repeating: graft_chain_operand())
    steps.initialize(repeating: graft_chain_step())
    axes.initialize(repeating: 0)

    for (index, shape) in shapes.enumerated() {
      operands[index].is_full = isFull[index] ? 1 : 0
      guard repeated.contains(index) else { continue }
      let rows = StridedRows(broadcasting: [shape], to: output)
      let extents = axes.baseAddress! + 2 * index * output.count
      let strides = extents + output.count
      let rank = rows.outerExtents.count + 1
      for axis in 0..<rank - 1 {
        extents[axis] = rows.outerExtents[axis]
        strides[axis] = rows.outerStrides[axis]
      }
      extents[rank - 1] = rows.innerCount
      strides[rank - 1] = rows.innerStrides[0]
      operands[index].rank = Int32(rank)
      operands[index].extents = UnsafePointer(extents)
      operands[index].strides = UnsafePointer(strides)
      operands[index].buffer = Int32(spreads.firstIndex(of: index) ?? 0)
    }
    for (index, step) in program.enumerated() {
      steps[index] = try Self.makeStep(
        step, registers.operands[index].map { $0.register(operandCount: shapes.count) },
        instructionSet)
      steps[index].result = Int32(
        shapes.count + (index == program.count - 1 ? bufferCount : registers.results[index]))
    }
    chain.normalization = instructionSet.kernels.pointee.normalization
    chain.operand_count = Int32(shapes.count)
    chain.buffer_count = Int32(bufferCount)
    chain.step_count = Int32(program.count)
    chain.operands = UnsafePointer(operands.baseAddress)
    chain.steps = UnsafePointer(steps.baseAddress)
    chain.row = hasLongRows && !repeated.isEmpty ? common.innerCount : 0
  }

  deinit {
    operands.deallocate()
    steps.deallocate()
    axes.deallocate()
  }

  /// Computes some elements of output 0.
  func run(_ arguments: KernelArguments, _ range: Range<Int>) {
    let count = operands.count
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>?.self, capacity: count) { inputs in
      for index in 0..<count { inputs[index] = arguments.input(index, as: Float.self) }
      withUnsafePointer(to: chain) { chain in
        graft_chain_run(
          chain, inputs.baseAddress, arguments.output(0, as: Float.self),
          arguments.workerScratch?.assumingMemoryBound(to: Float.self), range.lowerBound,
          range.count)
      }
    }
  }

  /// The C functions require one full operand: the first one if they are not symmetric.
  private static func check(
    _ program: [ElementwiseStep], _ shapes: [Shape], _ isFull: [Bool]
  ) throws {
    func fills(_ operand: ElementwiseOperand) -> Bool {
      if case .input(let index) = operand { isFull[index] } else { true }
    }
    func shape(_ operand: ElementwiseOperand) -> Shape? {
      if case .input(let index) = operand { shapes[index] } else { nil }
    }
    for (index, step) in program.enumerated() {
      let operands = step.operands
      let isValid =
        switch step.function {
        case .unary, .binary(_, isOneSided: true): fills(operands[0])
        case .binary: fills(operands[0]) || fills(operands[1])
        case .clip:
          fills(operands[0]) && operands[1...].allSatisfy { shape($0)?.elementCount == 1 }
        case .normalize:
          fills(operands[0])
            && operands[1...].allSatisfy { shape($0) != nil && shape($0) == shape(operands[1]) }
        }
      guard isValid else {
        throw GraftError.badData("step \(index) has operands of shapes that do not fit")
      }
    }
  }

  private static func makeStep(
    _ step: ElementwiseStep, _ registers: [Int32], _ instructionSet: InstructionSet
  ) throws -> graft_chain_step {
    let missing = GraftError(.software, "a function is missing in the tables of kernels")
    let unary = instructionSet.kernels.pointee.unary.pointee
    var result = graft_chain_step()
    switch step.function {
    case .unary(let function):
      guard let loop = function.select(unary) else { throw missing }
      result.kind = Int32(GRAFT_CHAIN_UNARY)
      result.unary = loop
      result.alpha = function.alpha
      result.beta = function.beta
    case .binary(let select, _):
      guard let loops = select(instructionSet.kernels.pointee.binary.pointee) else {
        throw missing
      }
      result.kind = Int32(GRAFT_CHAIN_BINARY)
      result.binary = loops
    case .clip:
      result.kind = Int32(GRAFT_CHAIN_CLIP)
      result.unary = unary.clip
    case .normalize:
      result.kind = Int32(GRAFT_CHAIN_NORMALIZE)
    }
    withUnsafeMutableBytes(of: &result.registers) { bytes in
      let target = bytes.bindMemory(to: Int32.self)
      for (index, register) in registers.enumerated() { target[index] = register }
    }
    return result
  }
}

/// Assigns a buffer to each step's result: one that is not read any more.
private struct RegisterAssignment {
  enum Source {
    case operand(Int)
    case buffer(Int)

    func register(operandCount: Int) -> Int32 {
      switch self {
      case .operand(let index): Int32(index)
      case .buffer(let index): Int32(operandCount + index)
      }
    }
  }

  /// The operands of each step.
  private(set) var operands: [[Source]] = []
  /// The buffer of each step's result.
  private(set) var results: [Int] = []
  private(set) var bufferCount: Int

  /// - Parameter firstFree: the number of buffers before those for results
  init(_ program: [ElementwiseStep], firstFree: Int) {
    bufferCount = firstFree
    var lastUses = [Int](repeating: -1, count: program.count)
    for (index, step) in program.enumerated() {
      for case .result(let other) in step.operands { lastUses[other] = index }
    }
    var free: [Int] = []
    for (index, step) in program.enumerated() {
      operands.append(
        step.operands.map { operand in
          switch operand {
          case .input(let input): .operand(input)
          case .result(let other): .buffer(results[other])
          }
        })
      // A function may overwrite its input.
      for case .result(let other) in Set(step.operands) where lastUses[other] == index {
        free.append(results[other])
      }
      if index == program.count - 1 {
        results.append(bufferCount)
      } else if let buffer = free.popLast() {
        results.append(buffer)
      } else {
        results.append(bufferCount)
        bufferCount += 1
      }
    }
  }
}
