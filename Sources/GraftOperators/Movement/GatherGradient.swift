import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of ``Gather``: adds the slices of `dy` to their original positions, in index order.
///
/// Inputs: dy, the input x of Gather (only its shape matters), indices.
struct GatherGradient: Operator {
  static let schema = OperatorSchema("GatherGradient", domain: "graft", since: [1], inputs: 3...3)

  let axis: Int

  init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
  }

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.require(0, .floatingPoint)
    try context.requireSameElementType([0, 1])
    try context.require(2, .indices)
    let shape = try context.shape(1)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let expected = Array(shape[..<axis]) + (try context.shape(2)) + shape[(axis + 1)...]
    try context.requireShape(0, expected)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let data = try context.output(0)
    let axis = try normalizedAxis(axis, rank: data.rank)
    let offsets = try Gather.offsets(context, indices: 2, axis: axis, data: data)
    return try ScatterKernel(
      offsets: offsets, updates: 0, outer: data.shape[..<axis].reduce(1, *),
      count: offsets.count, inner: data.shape[(axis + 1)...].reduce(1, *),
      slabBytes: data.shape[axis...].reduce(data.elementType.byteWidth, *),
      elementType: data.elementType, reduction: .add
    ).kernel(initialization: .zeroing(byteCount: data.byteCount))
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one row twice",
        inputs: [
          .floats([1, 2, 3, 4, 5, 6], [3, 2]), .floats([0, 0, 0, 0, 0, 0], [3, 2]),
          .integers([0, 2, 0], [3]),
        ], outputs: [.floats([6, 8, 0, 0, 3, 4], [3, 2])]),
      OperatorExample(
        "columns", attributes: ["axis": .int(1)],
        inputs: [
          .floats([1, 2, 3, 4], [2, 2]), .floats([0, 0, 0, 0, 0, 0], [2, 3]),
          .integers([-1, -1], [2]),
        ], outputs: [.floats([0, 0, 3, 0, 0, 7], [2, 3])]),
    ]
  }
}
