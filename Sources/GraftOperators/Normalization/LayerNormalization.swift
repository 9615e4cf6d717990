/// Normalizes over the axes from `axis` on, then scales and shifts by element.
///
/// Mean and inverse deviation are computed in float, or in double where a tensor is double; `stash_type`
/// only says in which type they are handed out.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__LayerNormalization.html>
struct LayerNormalization: RealOperator {
  static let schema = OperatorSchema(
    "LayerNormalization", since: [17], inputs: 2...3, outputs: 1...3)

  let axis: Int
  let epsilon: Double
  let statisticsType: ElementType

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: -1)
    epsilon = Double(try attributes.float("epsilon", default: 1e-5))
    statisticsType = try attributes.elementType("stash_type") ?? .float
    guard statisticsType == .float || statisticsType == .bfloat16 else {
      throw GraftError.badData(
        "attribute 'stash_type' is \(statisticsType); expected float or bfloat16")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1, 2])
    try context.setOutputLikeInput()
    for index in 1...2 { context.setOutput(index, statisticsType, nil) }
    let shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    for index in 1...2 {
      try context.requireBroadcastsToInput(index)
      context.setOutput(
        index, statisticsType,
        shape[..<axis] + [Dimension](repeating: 1, count: shape.count - axis))
    }
  }

  func prepare<Element: RealElement>(
    _ context: PrepareContext, computingIn: Element.Type
  ) throws -> PreparedKernel {
    let shape = try context.input(0).shape
    let axis = try normalizedAxis(axis, rank: shape.count)
    let rows = RowNormalization(
      rowCount: shape[..<axis].reduce(1, *), rowLength: shape[axis...].reduce(1, *),
      epsilon: epsilon, isCentered: true)
    return try rows.broadcastKernel(context, shape, axis: axis, Element.self)
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.outputGradients.dropFirst().allSatisfy({ $0 == nil }) else {
      throw GraftError.unsupported("the mean and deviation of LayerNormalization have no gradient")
    }
    try builder.setRowNormalizationGradients(axis: axis, epsilon: epsilon, isCentered: true)
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "last axis, all outputs",
        inputs: [
          .floats([0.039999999, 0.81, 0.55000001, 0.22, -1.04, 0.50999999], [2, 3]),
          .floats([1, 2, -1], [3]), .floats([0, 0.5, 1], [3]),
        ],
        outputs: [
          .floats(
            [-1.3339921, 2.6468935, 0.73945463, 0.48055801, -2.2842636, 0.088426054], [2, 3]),
          .floats([0.46666667, -0.103333354], [2, 1]), .floats([3.126544, 1.4862618], [2, 1]),
        ]),
      OperatorExample(
        "two axes",
        attributes: ["axis": .int(1), "epsilon": .float(0.01)],
        inputs: [
          .floats(
            [-0.68000001, 1.09, -1.27, -0.14, -0.0099999998, -1.3200001, 1.72, 1.46], [2, 2, 2]),
          .floats([1, 2, -1, 0.5], [2, 2]), .floats([0, 0.5, 1, 1], [2, 2]),
        ],
        outputs: [
          .floats(
            [
              -0.49058831, 3.55762, 2.1637211, 1.0627496, -0.38525325, -2.4067256, -0.025303721,
              1.4066563,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
      OperatorExample(
        "no bias",
        attributes: ["axis": .int(-1)],
        inputs: [
          .floats([-0.46000001, 0.76999998, 0.38, -2.6099999, 0.25, -0.059999999], [2, 3]),
          .floats([1, 2, -1], [3]),
        ],
        outputs: [
          .floats([-1.3444138, 2.1042995, -0.29226387, -1.4072951, 1.6492146, -0.5826878], [2, 3])
        ],
        differentiableInputs: [0, 1]),
      OperatorExample(
        "a scale that broadcasts",
        attributes: ["axis": .int(1)],
        inputs: [
          .floats(
            [
              0.079999998, -1.08, -0.27000001, -0.18000001, 1.1900001, 0.33000001, -0.0099999998,
              1.53,
            ], [2, 2, 2]), .floats([1.5, -1], [2, 1, 1]), .floats([0.25], [1]),
        ],
        outputs: [
          .floats(
            [
              1.7803013, -2.2313361, 0.56989348, 0.88114119, -0.43951541, 0.93951529, 1.4847134,
              -0.98471344,
            ], [2, 2, 2])
        ],
        differentiableInputs: [0, 1, 2]),
    ]
  }
}

extension RowNormalization {
  /// A kernel whose scales (input 1) and shifts (input 2, optional) broadcast to input 0, and which hands out
  /// mean and inverse deviation of each row (outputs 1 and 2) where they are wanted.
  func broadcastKernel<Element: RealElement>(
    _ context: PrepareContext, _ shape: Shape, axis: Int, _: Element.Type
  ) throws -> PreparedKernel {
    let instructionSet = context.instructionSet
    let hasShifts = context.hasInput(2)
    let parameters = hasShifts ? 1...2 : 1...1
    let isShared = try parameters.allSatisfy {
      BroadcastParameters.isShared(try context.input($0).shape, input: shape, axis: axis)
    }
    var phases: [PreparedKernel.Phase] = []
    let expandedByteCount = (shape.elementCount * MemoryLayout<Element>.stride + 63) & ~63
    if !isShared {
      phases = try parameters.map { index in
        BroadcastParameters.expansion(
          index, from: try context.input(index).shape, to: shape,
          offset: (index - 1) * expandedByteCount, Element.self)
      }
    }
    /// Scales or shifts, as they are or expanded.
    @Sendable func values(
      _ index: Int, _ arguments: KernelArguments
    ) -> UnsafePointer<Element>? {
      if isShared { return arguments.optionalInput(index, as: Element.self) }
      return arguments.scratch.map { scratch in
        UnsafePointer(
          (scratch + (index - 1) * expandedByteCount).assumingMemoryBound(to: Element.self))
      }
    }
    let (hasResult, hasMean, hasDeviation) = (
      context.hasOutput(0), context.hasOutput(1), context.hasOutput(2)
    )
    phases.append(
      .parallel(count: rowCount, grain: grain) { arguments, rows in
        guard let scales = values(1, arguments) else { return }
        let shifts = hasShifts ? values(2, arguments) : nil
        let x = arguments.input(0, as: Element.self)
        let y = hasResult ? arguments.output(0, as: Element.self) : nil
        for row in rows {
          let statistics = statistics(x + row * rowLength, instructionSet)
          if hasMean {
            arguments.output(1, as: Element.self)[row] = statistics.mean
          }
          if hasDeviation {
            arguments.output(2, as: Element.self)[row] = statistics.inverseDeviation
          }
          if let y {
            normalize(
              row, x, y, statistics, scales: scales, shifts: shifts,
              isShared ? .shared : .full, instructionSet)
          }
        }
      })
    return PreparedKernel(
      phases: phases,
      scratchByteCount: isShared ? 0 : parameters.count * expandedByteCount,
      inPlaceInputs: [0])
  }
}

extension GradientBuilder {
  /// The gradients of a normalization of input 0 over the axes from `axis` on, with scales in input 1 and
  /// shifts in input 2.
  mutating func setRowNormalizationGradients(
    axis: Int, epsilon: Double, isCentered: Bool
  ) throws {
    let gradient = try outputGradient()
    let x = try input(0)
    let rank = try rank(of: x)
    let axes = try addAxes(Array(try normalizedAxis(axis, rank: rank)..<rank))
    let normalization = try normalization(
      of: x, over: axes, epsilon: epsilon, isCentered: isCentered)
    if needs(0) {
      let scaled = add("Mul", [gradient, try input(1)])
      setInputGradient(
        0,
        self.gradient(
          through: normalization, of: scaled, over: axes, isCentered: isCentered))
    }
    if needs(1) {
      try setBroadcastInputGradient(1, add("Mul", [gradient, normalization.normal]))
    }
    if needs(2) { try setBroadcastInputGradient(2, gradient) }
  }
}
