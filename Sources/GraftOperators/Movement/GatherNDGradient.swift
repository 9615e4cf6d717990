import GraftExecution
import GraftFiles
import GraftGraph

/// The gradient of ``GatherND``: adds the slices of `dy` to their original positions, in index
/// order.
///
/// Inputs: dy, the input x of GatherND (only its shape matters), indices.
struct GatherNDGradient: Operator {
  static let schema = OperatorSchema("GatherNDGradient", domain: "graft", since: [1], inputs: 3...3)

  let batchAxes: Int

  init(_ attributes: AttributeReader) throws {
    batchAxes = try attributes.int("batch_dims", default: 0)
    guard batchAxes >= 0 else {
      throw GraftError.badData("attribute 'batch_dims' is \(batchAxes)")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.require(2, .indices)
    try context.requireShape(
      0,
      IndexTuples.gatheredShape(
        data: context.shape(1), indices: context.shape(2), batchAxes: batchAxes))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let data = try context.output(0)
    let tuples = try IndexTuples(context, indices: 2, data: data, batchAxes: batchAxes)
    return try ScatterKernel(
      offsets: tuples.offsets, updates: 0, outer: 1, count: tuples.offsets.count,
      inner: tuples.rowLength, slabBytes: 0, elementType: data.elementType, reduction: .add
    ).kernel(initialization: .zeroing(byteCount: data.byteCount))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "an element twice",
        inputs: [
          .floats([1, 2, 4], [3]), .floats([0, 0, 0, 0], [2, 2]),
          .integers([0, 1, 1, 0, 0, -1], [3, 2]),
        ], outputs: [.floats([0, 5, 2, 0], [2, 2])]),
      OperatorExample(
        "a batch", attributes: ["batch_dims": .int(1)],
        inputs: [
          .floats([1, 2], [2, 1]), .floats([0, 0, 0, 0], [2, 2]), .integers([1, 0], [2, 1, 1]),
        ], outputs: [.floats([0, 1, 2, 0], [2, 2])]),
    ]
  }
}
