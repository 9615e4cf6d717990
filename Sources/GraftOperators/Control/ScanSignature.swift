import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// What goes into the body of a Scan, and comes out of it.
struct ScanSignature: Sendable {
  let stateCount: Int
  private let inputAxes: [Int]
  private let outputAxes: [Int]
  let isInputReversed: [Bool]
  let isOutputReversed: [Bool]
  /// The types of the scan outputs of one trip, where the model knows them.
  private let outputTypes: [TensorType?]

  init(
    stateCount: Int, inputAxes: [Int], outputAxes: [Int], isInputReversed: [Bool],
    isOutputReversed: [Bool], outputTypes: [TensorType?]
  ) {
    self.stateCount = stateCount
    self.inputAxes = inputAxes
    self.outputAxes = outputAxes
    self.isInputReversed = isInputReversed
    self.isOutputReversed = isOutputReversed
    self.outputTypes = outputTypes
  }

  var scanInputCount: Int { inputAxes.count }
  var scanOutputCount: Int { outputAxes.count }

  /// The axis of a scan input along which it is scanned.
  func inputAxis(_ index: Int, rank: Int) throws -> Int {
    try withPlace("scan input \(index)") { try normalizedAxis(inputAxes[index], rank: rank) }
  }

  /// The axis of a scan output along which it is stacked.
  ///
  /// - Parameter rank: that of the whole output
  func outputAxis(_ index: Int, rank: Int) throws -> Int {
    try withPlace("scan output \(index)") { try normalizedAxis(outputAxes[index], rank: rank) }
  }

  /// A kernel for values of any types, whose shapes may change from trip to trip.
  func generalKernel(_ body: any BodyProgram, _ context: PrepareContext) -> PreparedKernel {
    let wanted = context.wantedOutputs
    return .control([body], allocates: wanted) { run in try self.run(run, wanted) }
  }

  private func run(_ run: ControlRun, _ wanted: [Bool]) throws {
    var states = try (0..<stateCount).map { try run.input($0) }
    let inputs = try (0..<scanInputCount).map { try run.input(stateCount + $0).tensor }
    var length: Int?
    let axes = try inputs.enumerated().map { index, tensor in
      let axis = try inputAxis(index, rank: tensor.rank)
      guard length == nil || length == tensor.shape[axis] else {
        throw GraftError.badData(
          "scan input \(index) has \(tensor.shape[axis]) slices; the ones before have \(length!)")
      }
      length = tensor.shape[axis]
      return axis
    }
    let count = length ?? 0
    var scans = (0..<scanOutputCount).map { index in
      ScanOutput(isWanted: stateCount + index < wanted.count && wanted[stateCount + index])
    }
    for trip in 0..<count {
      try run.countTrip(isPlanned: false)
      let slices = try inputs.enumerated().map { index, tensor in
        RuntimeValue.tensor(
          try tensor.slice(isInputReversed[index] ? count - 1 - trip : trip, along: axes[index]))
      }
      let outputs = try run.bodies[0].run(states + slices, run.memory)
      for index in states.indices { states[index] = outputs[index] }
      for index in scans.indices {
        try withPlace("scan output \(index)") {
          try scans[index].append(outputs[stateCount + index].tensor, run.memory)
        }
      }
    }
    for index in wanted.indices where wanted[index] {
      guard index >= stateCount else {
        run.results[index] = states[index]
        continue
      }
      let scan = index - stateCount
      let stacked = try scans[scan].finish(outputTypes[scan], run.memory)
      let axis = try outputAxis(scan, rank: stacked.rank)
      run.results[index] = .tensor(
        try stacked.movingFirstAxis(to: axis, isReversed: isOutputReversed[scan]))
    }
  }
}

extension Tensor {
  /// The elements at one index of an axis, which the slice does not have.
  fileprivate func slice(_ index: Int, along axis: Int) throws -> Tensor {
    var sliceShape = shape
    sliceShape.remove(at: axis)
    let rows = AxisRows(shape, axis: axis)
    if elementType == .string {
      var elements: [String] = []
      for row in 0..<rows.outerCount {
        let start = (row * rows.extent + index) * rows.innerCount
        elements += strings[start..<start + rows.innerCount]
      }
      return try Tensor(strings: elements, shape: sliceShape)
    }
    let slice = try Tensor(zeros: elementType, shape: sliceShape)
    rows.copySlice(
      index, of: baseAddress, to: slice.baseAddress, elementWidth: elementType.byteWidth)
    return slice
  }

  /// The tensor with its first axis in another place, forward or reversed.
  fileprivate func movingFirstAxis(to axis: Int, isReversed: Bool) throws -> Tensor {
    guard axis > 0 || isReversed else { return self }
    var movedShape = shape
    let count = movedShape.removeFirst()
    movedShape.insert(count, at: axis)
    let rows = AxisRows(movedShape, axis: axis)
    let sliceCount = rows.outerCount * rows.innerCount
    if elementType == .string {
      var elements = [String](repeating: "", count: elementCount)
      for index in 0..<count {
        let target = isReversed ? count - 1 - index : index
        for row in 0..<rows.outerCount {
          for column in 0..<rows.innerCount {
            elements[(row * count + target) * rows.innerCount + column] =
              strings[index * sliceCount + row * rows.innerCount + column]
          }
        }
      }
      return try Tensor(strings: elements, shape: movedShape)
    }
    let moved = try Tensor(zeros: elementType, shape: movedShape)
    let width = elementType.byteWidth
    for index in 0..<count {
      rows.storeSlice(
        isReversed ? count - 1 - index : index, of: moved.baseAddress,
        from: baseAddress + index * sliceCount * width, elementWidth: width)
    }
    return moved
  }
}

/// A tensor as rows along one axis: `[outer, extent, inner]`.
struct AxisRows: Sendable {
  let outerCount: Int
  let extent: Int
  let innerCount: Int

  init(_ shape: Shape, axis: Int) {
    outerCount = Shape(shape[..<axis]).elementCount
    extent = shape[axis]
    innerCount = Shape(shape[(axis + 1)...]).elementCount
  }

  /// Copies the elements at one index of the axis, so that they lie side by side.
  func copySlice(
    _ index: Int, of source: UnsafeRawPointer, to target: UnsafeMutableRawPointer,
    elementWidth: Int
  ) {
    let width = innerCount * elementWidth
    for row in 0..<outerCount {
      (target + row * width).copyMemory(
        from: source + (row * extent + index) * width, byteCount: width)
    }
  }

  /// The inverse of ``copySlice(_:of:to:elementWidth:)``.
  func storeSlice(
    _ index: Int, of target: UnsafeMutableRawPointer, from source: UnsafeRawPointer,
    elementWidth: Int
  ) {
    let width = innerCount * elementWidth
    for row in 0..<outerCount {
      (target + (row * extent + index) * width).copyMemory(
        from: source + row * width, byteCount: width)
    }
  }
}
