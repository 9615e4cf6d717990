import GraftExecution
import GraftGraph
import GraftTensor

/// The gradient of ``Slice``: `dy` at the slice's original position, zeros elsewhere.
///
/// Inputs: dy, the input x of Slice (only its shape matters), starts, ends, axes, steps.
struct SliceGradient: Operator {
  static let schema = OperatorSchema("SliceGradient", domain: "graft", since: [1], inputs: 4...6)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(1)
    try context.requireSameElementType([0, 1])
    var shape = try context.shape(1)
    let ranges = try SliceRanges(
      starts: context.contents(2).integers(), ends: context.contents(3).integers(),
      axes: context.integers(4), steps: context.integers(5), rank: shape.count)
    for range in ranges.ranges { shape[range.axis] = range.extent(of: shape[range.axis]) }
    try context.requireShape(0, shape)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let output = try context.output(0)
    let width = output.elementType.byteWidth
    let view = try SliceRanges(context, firstInput: 2, rank: output.rank).view(of: output.shape)
    let strides = view.shape.denseStrides
    return PreparedKernel(phases: [
      .zeroing(byteCount: output.byteCount),
      .copying([
        ElementCopy(
          from: .input(0), width: width,
          axes: view.shape.indices.map {
            .init(
              extent: view.shape[$0], sourceStride: strides[$0],
              destinationStride: view.strides[$0])
          }, destinationOffset: view.offset)
      ]),
    ])
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "every other one, backwards",
        inputs: [
          .floats([1, 2], [2]), .floats([0, 0, 0, 0], [4]), .integers([3], [1]),
          .integers([.min], [1]), nil, .integers([-2], [1]),
        ], outputs: [.floats([0, 2, 0, 1], [4])]),
      OperatorExample(
        "one axis of two",
        inputs: [
          .floats([1, 2], [2, 1]), .floats([0, 0, 0, 0], [2, 2]), .integers([1], [1]),
          .integers([2], [1]), .integers([1], [1]),
        ], outputs: [.floats([0, 1, 0, 2], [2, 2])]),
    ]
  }
}
