import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A Loop whose body has the same shapes in every trip: carried values alternate between two sets
/// of memory, and a trip allocates nothing but the growth of scan outputs.
struct PlannedLoop: Sendable {
  private let signature: LoopSignature
  private let counter: ControlScratch.Place
  private let condition: ControlScratch.Place
  private let nextCondition: ControlScratch.Place
  /// The places of carried values after odd trips, where they are not outputs of the node.
  private var odd: [ControlScratch.Place?] = []
  /// Those after even trips; `nil` where trips update the value in one place.
  private var even: [ControlScratch.Place?] = []
  private var scans: [Scan] = []
  private let scratchByteCount: Int
  private let allocates: [Bool]

  private struct Scan: Sendable {
    /// The type of one trip's output.
    let elementType: ElementType
    let shape: Shape
    /// Where it goes if nobody reads it.
    let unread: ControlScratch.Place?
    /// The number of trips, if it is known: then the output is in the plan's memory.
    let trips: Int?
  }

  init(signature: LoopSignature, planned: any BodyProgram, context: PrepareContext) {
    self.signature = signature
    var scratch = ControlScratch()
    let types = planned.plannedOutputs
    counter = scratch.add(.int64, signature.counterShape)
    condition = scratch.add(.bool, signature.conditionShape)
    nextCondition = scratch.add(types[0])
    func isWanted(_ output: Int) -> Bool {
      output < context.wantedOutputs.count && context.wantedOutputs[output]
    }
    var allocates = context.wantedOutputs.map { _ in false }
    for index in 0..<signature.carriedCount {
      odd.append(isWanted(index) ? nil : scratch.add(types[1 + index]))
      even.append(
        planned.outputsInPlace.contains(1 + index) ? nil : scratch.add(types[1 + index]))
    }
    for index in 0..<signature.scanCount {
      let type = types[1 + signature.carriedCount + index]
      let output = signature.carriedCount + index
      let trips = isWanted(output) ? context.outputs[output]?.shape.first : nil
      if isWanted(output), trips == nil { allocates[output] = true }
      scans.append(
        Scan(
          elementType: type.elementType, shape: type.shape,
          unread: isWanted(output) ? nil : scratch.add(type), trips: trips))
    }
    scratchByteCount = scratch.byteCount
    self.allocates = allocates
  }

  func kernel(_ planned: any BodyProgram) -> PreparedKernel {
    .control([planned], allocates: allocates, scratchByteCount: scratchByteCount) { run in
      try self.run(run)
    }
  }

  private func run(_ run: ControlRun) throws {
    let most = try run.optionalTensor(0)?.count ?? .max
    let isEndless = run.inputs.count < 2 || run.inputs[1] == nil
    let counter = try counter.tensor(run)
    let condition = try condition.tensor(run)
    let nextCondition = try nextCondition.tensor(run)
    let starts = try isEndless || (run.optionalTensor(1)?.condition ?? true)
    condition.baseAddress.storeBytes(of: starts ? 1 : 0, as: UInt8.self)
    let body = run.bodies[0]
    body.setInput(0, counter)
    body.setInput(1, condition)
    body.setOutput(0, nextCondition)
    var growing =
      scans.contains { $0.unread == nil && $0.trips == nil }
      ? scans.map { ScanOutput(isWanted: $0.unread == nil) } : []
    // The initial value may have other readers.
    for index in 0..<signature.carriedCount where even[index] == nil {
      let (value, memory) = (try run.input(2 + index).tensor, try carried(index, after: 1, run))
      memory.baseAddress.copyMemory(from: value.baseAddress, byteCount: value.byteCount)
    }
    var trip = 0
    while trip < most, isEndless || condition.baseAddress.load(as: UInt8.self) != 0 {
      try run.countTrip()
      counter.baseAddress.storeBytes(of: Int64(trip), as: Int64.self)
      for index in 0..<signature.carriedCount {
        body.setInput(2 + index, try carried(index, after: trip, run))
        body.setOutput(1 + index, try carried(index, after: trip + 1, run))
      }
      for index in scans.indices {
        let memory =
          scans[index].unread == nil && scans[index].trips == nil
          ? try growing[index].next(scans[index].elementType, scans[index].shape, run.memory)
          : try place(ofScan: index, trip, run)
        body.setOutput(1 + signature.carriedCount + index, memory)
      }
      try body.runPlanned(run.memory)
      condition.baseAddress.copyMemory(from: nextCondition.baseAddress, byteCount: 1)
      trip += 1
    }
    try finish(trip, &growing, run)
  }

  /// A carried value after so many trips.
  private func carried(_ index: Int, after trips: Int, _ run: ControlRun) throws -> Tensor {
    if let place = even[index], trips.isMultiple(of: 2) {
      return trips == 0 ? try run.input(2 + index).tensor : try place.tensor(run)
    }
    if let place = odd[index] { return try place.tensor(run) }
    guard let output = run.outputs[index] else {
      throw GraftError(.software, "carried value \(index) has no memory")
    }
    return output
  }

  /// The memory of a scan output of a trip whose place is known.
  private func place(ofScan index: Int, _ trip: Int, _ run: ControlRun) throws -> Tensor {
    let scan = scans[index]
    if let unread = scan.unread { return try unread.tensor(run) }
    guard let output = run.outputs[signature.carriedCount + index], trip < scan.trips ?? 0 else {
      throw GraftError(.software, "a loop makes more trips than planned")
    }
    return try Tensor(
      elementType: scan.elementType, shape: scan.shape, storage: output.storage,
      byteOffset: output.byteOffset
        + trip * scan.shape.elementCount * scan.elementType.byteWidth)
  }

  private func finish(_ trips: Int, _ growing: inout [ScanOutput], _ run: ControlRun) throws {
    for index in 0..<signature.carriedCount where odd[index] == nil && even[index] != nil {
      guard trips.isMultiple(of: 2), let output = run.outputs[index] else { continue }
      let last = try carried(index, after: trips, run)
      output.baseAddress.copyMemory(from: last.baseAddress, byteCount: output.byteCount)
    }
    for index in scans.indices where scans[index].unread == nil {
      if let planned = scans[index].trips {
        guard planned == trips else {
          throw GraftError(.software, "a loop makes \(trips) trips; planned were \(planned)")
        }
        continue
      }
      let type = signature.scanTypes[index]
      run.results[signature.carriedCount + index] = .tensor(
        trips > 0
          ? try growing[index].finish(nil, run.memory)
          : try Tensor(
            zeros: scans[index].elementType,
            shape: [0] + (type?.shape?.map { $0.known ?? 0 } ?? scans[index].shape)))
    }
  }
}
