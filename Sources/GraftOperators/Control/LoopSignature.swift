import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// What goes into the body of a Loop, and comes out of it.
struct LoopSignature: Sendable {
  let carriedCount: Int
  /// The outputs of the body: the condition, the carried values, and scan outputs.
  let outputCount: Int
  /// The shape of the number of the trip: `[]` or `[1]`.
  let counterShape: Shape
  /// The shape of the condition: `[]` or `[1]`.
  let conditionShape: Shape
  /// The types of the scan outputs of one trip, where the model knows them.
  let scanTypes: [TensorType?]

  var scanCount: Int { outputCount - 1 - carriedCount }

  /// A kernel for values of any types, whose shapes may change from trip to trip.
  func generalKernel(_ body: any BodyProgram, _ context: PrepareContext) -> PreparedKernel {
    let wanted = context.wantedOutputs
    // What inference found out where the model does not say it.
    let types = scanTypes.enumerated().map { index, declared in
      let output = carriedCount + index
      guard declared == nil, output < context.outputs.count else { return declared }
      return context.outputs[output].map {
        TensorType($0.elementType, [Dimension](Shape($0.shape.dropFirst())))
      }
    }
    return .control([body], allocates: wanted) { run in try self.run(run, wanted, types) }
  }

  private func run(_ run: ControlRun, _ wanted: [Bool], _ types: [TensorType?]) throws {
    let most = try run.optionalTensor(0)?.count ?? .max
    var condition = try run.optionalTensor(1) ?? Tensor([true], shape: [])
    let isEndless = run.inputs.count < 2 || run.inputs[1] == nil
    var carried = try (0..<carriedCount).map { try run.input(2 + $0) }
    var scans = (0..<scanCount).map { index in
      ScanOutput(isWanted: carriedCount + index < wanted.count && wanted[carriedCount + index])
    }
    var trip = 0
    while trip < most, try isEndless || condition.condition {
      try run.countTrip(isPlanned: false)
      let counter = try Tensor([Int64(trip)], shape: counterShape)
      let outputs = try run.bodies[0].run(
        [.tensor(counter), .tensor(try condition.reshaped(conditionShape))] + carried, run.memory)
      condition = try withPlace("the condition of the body") {
        let tensor = try outputs[0].tensor
        _ = try tensor.condition
        return tensor
      }
      for index in carried.indices { carried[index] = outputs[1 + index] }
      for index in scans.indices {
        try withPlace("scan output \(index)") {
          try scans[index].append(outputs[1 + carriedCount + index].tensor, run.memory)
        }
      }
      trip += 1
    }
    for index in wanted.indices where wanted[index] {
      run.results[index] =
        index < carriedCount
        ? carried[index]
        : .tensor(
          try scans[index - carriedCount].finish(types[index - carriedCount], run.memory))
    }
  }
}

/// A scan output that grows with each trip.
struct ScanOutput {
  private let isWanted: Bool
  private var elementType: ElementType?
  private var shape: Shape = []
  private var count = 0
  private var storage: Storage?
  private var usedByteCount = 0
  private var reservedByteCount = 0
  private var strings: [String] = []

  init(isWanted: Bool) { self.isWanted = isWanted }

  /// Adds the output of a trip.
  ///
  /// - Throws: `GraftError` if its type or shape is not that of the trips before, or memory does
  ///   not suffice
  mutating func append(_ tensor: Tensor, _ memory: MemoryBudget?) throws {
    guard isWanted else { return }
    if let elementType {
      guard elementType == tensor.elementType, shape == tensor.shape else {
        throw GraftError.badData(
          "is \(tensor.elementType)\(tensor.shape) in trip \(count), and \(elementType)\(shape) "
            + "before")
      }
    } else {
      elementType = tensor.elementType
      shape = tensor.shape
    }
    count += 1
    if tensor.elementType == .string {
      let byteCount = RuntimeValue.tensor(tensor).memoryByteCount
      try memory?.reserve(byteCount)
      reservedByteCount += byteCount
      strings += tensor.strings
      return
    }
    let memory = try space(tensor.byteCount, memory)
    tensor.withUnsafeBytes { memory.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  /// The place of the next trip's output, of a size that does not change.
  mutating func next(
    _ elementType: ElementType, _ shape: Shape, _ memory: MemoryBudget?
  ) throws -> Tensor {
    self.elementType = elementType
    self.shape = shape
    count += 1
    let offset = usedByteCount
    _ = try space(shape.elementCount * elementType.byteWidth, memory)
    guard let storage else { throw GraftError(.software, "a scan output has no memory") }
    return try Tensor(
      elementType: elementType, shape: shape, storage: storage, byteOffset: offset)
  }

  /// Room for more bytes at the end.
  private mutating func space(
    _ byteCount: Int, _ memory: MemoryBudget?
  ) throws -> UnsafeMutableRawPointer {
    let (needed, overflow) = usedByteCount.addingReportingOverflow(byteCount)
    guard !overflow, needed <= Int.max / 4 else {
      throw GraftError(.operatingSystem, "needs too much memory")
    }
    if let storage, needed <= storage.byteCount {
      defer { usedByteCount = needed }
      return storage.baseAddress + usedByteCount
    }
    let capacity = max(needed, min(2 * needed, needed + 1 << 28), 256)
    try memory?.reserve(capacity)
    let larger = try Storage.heap(byteCount: capacity)
    if let storage {
      larger.baseAddress.copyMemory(from: storage.baseAddress, byteCount: usedByteCount)
    }
    memory?.release(reservedByteCount)
    reservedByteCount = capacity
    storage = larger
    defer { usedByteCount = needed }
    return larger.baseAddress + usedByteCount
  }

  /// All trips' outputs, `[trips, …]`; the memory is the caller's to reserve.
  ///
  /// - Parameter type: the type of one trip's output where there was no trip, as far as known
  mutating func finish(_ type: TensorType?, _ memory: MemoryBudget?) throws -> Tensor {
    memory?.release(reservedByteCount)
    reservedByteCount = 0
    let fallback = type?.shape.map { $0.map { $0.known ?? 0 } } ?? []
    let whole = [count] + (elementType == nil ? fallback : shape)
    guard let elementType = elementType ?? type?.elementType else {
      throw GraftError.unsupported("a scan output without trips has no known element type")
    }
    if elementType == .string { return try Tensor(strings: strings, shape: whole) }
    guard let storage else { return try Tensor(zeros: elementType, shape: whole) }
    return try Tensor(elementType: elementType, shape: whole, storage: storage)
  }
}
