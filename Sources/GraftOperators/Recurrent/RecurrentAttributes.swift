import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The attributes of LSTM, GRU and RNN, and the inference that they share.
///
/// `clip` limits what enters the activations f and g of the gates. That of the cell state, h, gets
/// it as it is, as in onnxruntime.
struct RecurrentAttributes: Sendable {
  let cell: RecurrentCell
  /// One direction, from the end of the sequences.
  let isReverse: Bool
  let directionCount: Int
  /// f, g and h of each direction, as far as the cell has them.
  let functions: [[RecurrentFunction]]
  let clip: Double
  /// Whether the batch is the first axis of X, Y and the states: layout 1.
  let isBatchFirst: Bool
  private let hiddenSize: Int?

  init(_ cell: RecurrentCell, _ attributes: AttributeReader) throws {
    self.cell = cell
    let direction = try attributes.choice(
      "direction", default: "forward", of: ["forward", "reverse", "bidirectional"])
    isReverse = direction == "reverse"
    directionCount = direction == "bidirectional" ? 2 : 1
    let perDirection = cell.defaultFunctions.count
    let names =
      try attributes.strings("activations")
      ?? Array(repeating: cell.defaultFunctions, count: directionCount).flatMap { $0 }
    guard names.count >= perDirection * directionCount else {
      throw GraftError.badData(
        "attribute 'activations' has \(names.count) names; expected \(perDirection * directionCount)"
      )
    }
    let functions = try RecurrentFunction.functions(
      Array(names.prefix(perDirection * directionCount)),
      alphas: try attributes.floats("activation_alpha") ?? [],
      betas: try attributes.floats("activation_beta") ?? [])
    self.functions = (0..<directionCount).map {
      Array(functions[$0 * perDirection..<($0 + 1) * perDirection])
    }
    let clip = try attributes.float("clip")
    guard clip.map({ $0 >= 0 }) ?? true else {
      throw GraftError.badData("attribute 'clip' is \(clip ?? 0); expected a limit of at least 0")
    }
    self.clip = clip.map { Double($0) } ?? .infinity
    let layout = try attributes.int("layout", default: 0)
    guard (0...1).contains(layout) else {
      throw GraftError.badData("attribute 'layout' is \(layout); expected 0 or 1")
    }
    isBatchFirst = layout == 1
    hiddenSize = try attributes.int("hidden_size")
    guard hiddenSize.map({ (1...1 << 32).contains($0) }) ?? true else {
      throw GraftError.badData("attribute 'hidden_size' is \(hiddenSize ?? 0)")
    }
  }

  // MARK: Inference

  /// Extents of a node, as far as they are known.
  struct Extents {
    var steps: Dimension
    var batch: Dimension
    var inputs: Dimension
    var units: Dimension
    let directions: Dimension

    /// Y `[T, D, B, H]`, or with layout 1 `[B, T, D, H]`.
    func output(isBatchFirst: Bool) -> [Dimension] {
      isBatchFirst ? [batch, steps, directions, units] : [steps, directions, batch, units]
    }

    /// The states `[D, B, H]`, or with layout 1 `[B, D, H]`.
    func state(isBatchFirst: Bool) -> [Dimension] {
      isBatchFirst ? [batch, directions, units] : [directions, batch, units]
    }
  }

  /// Checks the inputs of a node, and sets its outputs.
  func infer(_ context: inout InferenceContext) throws {
    let elementType = try inferElementType(&context)
    for output in 0...cell.stateCount { context.setOutput(output, elementType, nil) }
    let extents = try checkedExtents(context)
    context.setOutput(0, elementType, extents.output(isBatchFirst: isBatchFirst))
    for output in 1...cell.stateCount {
      context.setOutput(output, elementType, extents.state(isBatchFirst: isBatchFirst))
    }
  }

  private func inferElementType(_ context: inout InferenceContext) throws -> ElementType {
    try context.require(RecurrentInput.x, .floatingPoint)
    try context.requireSameElementType(
      (0..<cell.inputCount).filter { $0 != RecurrentInput.lengths })
    if context.hasInput(RecurrentInput.lengths) {
      try context.require(RecurrentInput.lengths, [.int32])
    }
    return try context.elementType(RecurrentInput.x)
  }

  /// The extents of the inputs, which agree.
  func checkedExtents(_ context: InferenceContext) throws -> Extents {
    let x = try context.shape(RecurrentInput.x)
    guard x.count == 3 else {
      throw GraftError.badData("input 0 has rank \(x.count); expected 3")
    }
    var extents = Extents(
      steps: x[isBatchFirst ? 1 : 0], batch: x[isBatchFirst ? 0 : 1], inputs: x[2],
      units: hiddenSize.map { .known($0) } ?? .unknown, directions: .known(directionCount))
    for index in [RecurrentInput.recurrentWeights, RecurrentInput.initialHidden]
    where context.hasInput(index) {
      guard let shape = try context.input(index).shape, let units = shape.last?.known else {
        continue
      }
      if extents.units.known == nil { extents.units = .known(units) }
    }
    func multiple(_ factor: Int) throws -> Dimension {
      guard let units = extents.units.known else { return .unknown }
      let (count, overflow) = units.multipliedReportingOverflow(by: factor)
      guard !overflow else { throw GraftError.badData("there are too many hidden units") }
      return .known(count)
    }
    let gates = try multiple(cell.gateCount)
    try context.requireShape(RecurrentInput.weights, [extents.directions, gates, extents.inputs])
    try context.requireShape(
      RecurrentInput.recurrentWeights, [extents.directions, gates, extents.units])
    let state = extents.state(isBatchFirst: isBatchFirst)
    let expected: [(index: Int, shape: [Dimension])] = [
      (RecurrentInput.bias, [extents.directions, try multiple(2 * cell.gateCount)]),
      (RecurrentInput.lengths, [extents.batch]), (RecurrentInput.initialHidden, state),
      (RecurrentInput.initialCell, state),
      (RecurrentInput.peepholes, [extents.directions, try multiple(3)]),
    ]
    for (index, shape) in expected where index < cell.inputCount && context.hasInput(index) {
      try context.requireShape(index, shape)
    }
    return extents
  }

  /// The extents of a node whose shapes are known.
  func shape(_ context: PrepareContext) throws -> RecurrentShape {
    let x = try context.input(RecurrentInput.x).shape
    return RecurrentShape(
      steps: x[isBatchFirst ? 1 : 0], batch: x[isBatchFirst ? 0 : 1], inputs: x[2],
      units: try context.input(RecurrentInput.recurrentWeights).shape[2],
      directions: directionCount, isBatchFirst: isBatchFirst)
  }

  // MARK: Older forms

  /// Before opset 7, `output_sequence` said whether output 0 is wanted.
  static func upgrade(_ node: inout Node, from version: Int) {
    if version < 7 { node.attributes["output_sequence"] = nil }
    // The default of GRU at opset 1, to the letter.
    if version < 3, case .string("foward")? = node.attributes["direction"] {
      node.attributes["direction"] = .string("forward")
    }
  }

  static func downgrade(_ node: inout Node, to opset: Int) throws {
    if try AttributeReader(node.attributes).int("layout", default: 0) != 0 {
      throw GraftError.unsupported("its batch is the first axis")
    }
    if opset < 7, node.outputs.first ?? nil != nil {
      node.attributes["output_sequence"] = .int(1)
    }
  }
}

/// The extents of a recurrent node.
struct RecurrentShape: Sendable {
  let steps: Int
  let batch: Int
  let inputs: Int
  let units: Int
  let directions: Int
  let isBatchFirst: Bool

  /// Places of an element in rows of units: of Y, and of the states.
  func outputRow(time: Int, direction: Int, sequence: Int) -> Int {
    isBatchFirst
      ? (sequence * steps + time) * directions + direction
      : (time * directions + direction) * batch + sequence
  }

  func stateRow(direction: Int, sequence: Int) -> Int {
    isBatchFirst ? sequence * directions + direction : direction * batch + sequence
  }

  /// The distance between the rows of two sequences.
  var outputRowStep: Int { isBatchFirst ? steps * directions : 1 }

  /// The multiply-adds of all steps, from the shapes of X and W.
  static func multiplyAdds(inputs: [Shape?], gateCount: Int) -> Int? {
    guard let x = inputs[0], let weights = inputs[1], x.count == 3, weights.count == 3 else {
      return nil
    }
    let (depth, overflow) = x[2].addingReportingOverflow(weights[1] / gateCount)
    return overflow ? nil : [x[0], x[1], weights[0], weights[1], depth].checkedProduct
  }
}
