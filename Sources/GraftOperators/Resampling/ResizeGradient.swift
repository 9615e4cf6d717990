import GraftExecution
import GraftFiles
import GraftGraph

/// The gradient of ``Resize``: distributes each element of `dy` to its sources.
///
/// Inputs: dy, the input x of Resize (only its shape matters), roi, scales, sizes; attributes of
/// Resize.
struct ResizeGradient: Operator {
  static let schema = OperatorSchema("ResizeGradient", domain: "graft", since: [1], inputs: 2...5)

  let method: ResizeMethod

  init(_ attributes: AttributeReader) throws { method = try ResizeMethod(attributes) }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    let shape = try context.shape(1)
    let geometry = try context.resizeGeometry(method, first: 2, rank: shape.count)
    try context.requireShape(0, geometry.outputShape(shape))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    guard try context.input(0).elementCount > 0 else {
      return PreparedKernel(phases: [.zeroing(byteCount: output.byteCount)])
    }
    let axes = try context.resizeGeometry(method, first: 2, rank: output.rank)
      .resizedAxes(output.shape).filter { !$0.resized.isIdentity(method) }
    return try SeparableResampling(
      elementType: output.elementType, inputShape: context.input(0).shape,
      passes: axes.map { axis, resized in
        .init(axis: axis, weights: resized.weights(method).weights.transposed())
      }, instructionSet: context.instructionSet
    ).kernel()
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "nearest, twice as large",
        inputs: [
          .floats([1, 2, 3, 4], [1, 4]), .floats([0, 0], [1, 2]), nil, .floats([1, 2], [2]),
        ], outputs: [.floats([3, 7], [1, 2])]),
      OperatorExample(
        "linear, twice as large", attributes: ["mode": .string("linear")],
        inputs: [.floats([4, 4, 8, 4], [4]), .floats([0, 0], [2]), nil, .floats([2], [1])],
        outputs: [.floats([9, 11], [2])]),
    ]
  }
}
