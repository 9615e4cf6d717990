import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``Pad`` in the modes that repeat elements: the sum over all copies of each.
///
/// Inputs: dy, the input x of Pad (only its shape matters), pads, axes.
struct PadGradient: Operator {
  static let schema = OperatorSchema("PadGradient", domain: "graft", since: [1], inputs: 3...4)

  let mode: PadMode

  init(_ attributes: AttributeReader) throws { mode = try PadMode(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let shape = try context.shape(1)
    let pads = try Padding(
      context.contents(2).integers(), axes: context.integers(3), rank: shape.count)
    try context.requireShape(
      0, shape.indices.map { try pads.extent(shape[$0], axis: $0, mode: mode) })
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    guard try context.input(0).elementCount > 0 else {
      return PreparedKernel(phases: [.zeroing(byteCount: output.byteCount)])
    }
    let pads = try Padding(context.integers(2) ?? [], axes: context.integers(3), rank: output.rank)
    let passes = output.shape.indices.compactMap { axis -> SeparableResampling.Pass? in
      guard pads.begins[axis] != 0 || pads.ends[axis] != 0 else { return nil }
      let weights = AxisWeights(
        picking: pads.indices(output.shape[axis], axis: axis, mode: mode),
        from: output.shape[axis])
      return .init(axis: axis, weights: weights.transposed())
    }
    return try SeparableResampling(
      elementType: output.elementType, inputShape: context.input(0).shape, passes: passes,
      instructionSet: context.instructionSet
    ).kernel()
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "the edge", attributes: ["mode": .string("edge")],
        inputs: [.floats([1, 2, 3, 4, 5], [5]), .floats([0, 0], [2]), .integers([1, 2], [2])],
        outputs: [.floats([3, 12], [2])]),
      OperatorExample(
        "reflection along a named axis", attributes: ["mode": .string("reflect")],
        inputs: [
          .floats([1, 2, 3, 4], [1, 4]), .floats([0, 0, 0], [1, 3]), .integers([0, 1], [2]),
          .integers([1], [1]),
        ], outputs: [.floats([1, 6, 3], [1, 3])]),
    ]
  }
}
