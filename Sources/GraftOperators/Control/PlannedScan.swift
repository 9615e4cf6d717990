import GraftExecution
import GraftFiles
import GraftTensor

/// A Scan whose body has the same shapes in every trip: states alternate between two sets of
/// memory, and a trip allocates nothing.
struct PlannedScan: Sendable {
  private let signature: ScanSignature
  private let length: Int
  /// The places of states after odd trips, where they are not outputs of the node.
  private var odd: [ControlScratch.Place?] = []
  /// Those after even trips; `nil` where trips update the state in one place.
  private var even: [ControlScratch.Place?] = []
  private var inputs: [Slices] = []
  private var outputs: [Slices] = []
  private let scratchByteCount: Int
  private let isWanted: [Bool]

  /// The slices of a scan input or output.
  private struct Slices: Sendable {
    let elementType: ElementType
    let shape: Shape
    let rows: AxisRows
    let isReversed: Bool
    /// Where a slice lies that is not one piece of the whole, or has no whole.
    let place: ControlScratch.Place?

    /// The bytes of a slice.
    var byteCount: Int { rows.outerCount * rows.innerCount * elementType.byteWidth }

    func index(_ trip: Int, of count: Int) -> Int { isReversed ? count - 1 - trip : trip }
  }

  init(
    signature: ScanSignature, planned: any BodyProgram, inputs: [PrepareContext.Description],
    length: Int, context: PrepareContext
  ) throws {
    self.signature = signature
    self.length = length
    self.isWanted = context.wantedOutputs
    var scratch = ControlScratch()
    let types = planned.plannedOutputs
    let stateCount = signature.stateCount
    func isWanted(_ output: Int) -> Bool {
      output < context.wantedOutputs.count && context.wantedOutputs[output]
    }
    for index in 0..<stateCount {
      odd.append(isWanted(index) ? nil : scratch.add(types[index]))
      even.append(planned.outputsInPlace.contains(index) ? nil : scratch.add(types[index]))
    }
    for index in 0..<signature.scanInputCount {
      let whole = try context.input(stateCount + index)
      let slice = inputs[stateCount + index]
      let rows = AxisRows(whole.shape, axis: try signature.inputAxis(index, rank: whole.rank))
      self.inputs.append(
        Slices(
          elementType: slice.elementType, shape: slice.shape, rows: rows,
          isReversed: signature.isInputReversed[index],
          place: rows.outerCount == 1 ? nil : scratch.add(slice)))
    }
    for index in 0..<signature.scanOutputCount {
      let slice = types[stateCount + index]
      var shape = slice.shape
      let axis = try signature.outputAxis(index, rank: shape.count + 1)
      shape.insert(length, at: axis)
      let rows = AxisRows(shape, axis: axis)
      let isWhole = rows.outerCount == 1 && isWanted(stateCount + index)
      outputs.append(
        Slices(
          elementType: slice.elementType, shape: slice.shape, rows: rows,
          isReversed: signature.isOutputReversed[index],
          place: isWhole ? nil : scratch.add(slice)))
    }
    scratchByteCount = scratch.byteCount
  }

  func kernel(_ planned: any BodyProgram) -> PreparedKernel {
    .control(
      [planned], allocates: isWanted.map { _ in false }, scratchByteCount: scratchByteCount
    ) { run in try self.run(run) }
  }

  private func run(_ run: ControlRun) throws {
    let body = run.bodies[0]
    let stateCount = signature.stateCount
    // The initial state may have other readers.
    for index in 0..<stateCount where even[index] == nil {
      let (value, memory) = (try run.input(index).tensor, try state(index, after: 1, run))
      memory.baseAddress.copyMemory(from: value.baseAddress, byteCount: value.byteCount)
    }
    for trip in 0..<length {
      try run.countTrip()
      for index in 0..<stateCount {
        body.setInput(index, try state(index, after: trip, run))
        body.setOutput(index, try state(index, after: trip + 1, run))
      }
      for index in inputs.indices {
        body.setInput(stateCount + index, try input(index, trip, run))
      }
      for index in outputs.indices {
        body.setOutput(stateCount + index, try output(index, trip, run))
      }
      try body.runPlanned(run.memory)
      for index in outputs.indices { try store(index, trip, run) }
    }
    for index in 0..<stateCount where odd[index] == nil && even[index] != nil {
      guard length.isMultiple(of: 2), let output = run.outputs[index] else { continue }
      let last = try state(index, after: length, run)
      output.baseAddress.copyMemory(from: last.baseAddress, byteCount: output.byteCount)
    }
  }

  /// A state after so many trips.
  private func state(_ index: Int, after trips: Int, _ run: ControlRun) throws -> Tensor {
    if let place = even[index], trips.isMultiple(of: 2) {
      return trips == 0 ? try run.input(index).tensor : try place.tensor(run)
    }
    if let place = odd[index] { return try place.tensor(run) }
    guard let output = run.outputs[index] else {
      throw GraftError(.software, "state \(index) has no memory")
    }
    return output
  }

  private func input(_ index: Int, _ trip: Int, _ run: ControlRun) throws -> Tensor {
    let slices = inputs[index]
    let whole = try run.input(signature.stateCount + index).tensor
    let position = slices.index(trip, of: length)
    guard let place = slices.place else {
      return try Tensor(
        elementType: slices.elementType, shape: slices.shape, storage: whole.storage,
        byteOffset: whole.byteOffset + position * slices.byteCount)
    }
    let slice = try place.tensor(run)
    slices.rows.copySlice(
      position, of: whole.baseAddress, to: slice.baseAddress,
      elementWidth: slices.elementType.byteWidth)
    return slice
  }

  /// The memory for a slice of a scan output.
  private func output(_ index: Int, _ trip: Int, _ run: ControlRun) throws -> Tensor {
    let slices = outputs[index]
    if let place = slices.place { return try place.tensor(run) }
    guard let whole = run.outputs[signature.stateCount + index] else {
      throw GraftError(.software, "scan output \(index) has no memory")
    }
    return try Tensor(
      elementType: slices.elementType, shape: slices.shape, storage: whole.storage,
      byteOffset: whole.byteOffset + slices.index(trip, of: length) * slices.byteCount)
  }

  /// Moves a slice of a scan output from its own memory into the whole.
  private func store(_ index: Int, _ trip: Int, _ run: ControlRun) throws {
    let slices = outputs[index]
    let position = signature.stateCount + index
    guard let place = slices.place, position < isWanted.count, isWanted[position],
      let whole = run.outputs[position]
    else { return }
    slices.rows.storeSlice(
      slices.index(trip, of: length), of: whole.baseAddress,
      from: try place.tensor(run).baseAddress, elementWidth: slices.elementType.byteWidth)
  }
}
