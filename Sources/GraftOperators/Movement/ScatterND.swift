import GraftExecution
import GraftFiles
import GraftGraph

/// A copy of `data` with slices updated that tuples of indices select. Updates to the same slice
/// are applied in order.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ScatterND.html>
package struct ScatterND: Operator {
  package static let schema = OperatorSchema(
    "ScatterND", since: [11, 13, 16, 18], sameSince: 11, inputs: 3...3)

  let reduction: ScatterReduction

  package init(_ attributes: AttributeReader) throws {
    reduction = try ScatterReduction(attributes)
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(0)
    try reduction.check(context.elementType(0))
    try context.requireSameElementType([0, 2])
    try context.require(1, .indices)
    try context.requireShape(
      2, IndexTuples.gatheredShape(data: context.shape(0), indices: context.shape(1)))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let data = try context.input(0)
      let tuples = try IndexTuples(context, indices: 1, data: data)
      return try ScatterKernel(
        offsets: tuples.offsets, updates: 2, outer: 1, count: tuples.offsets.count,
        inner: tuples.rowLength, slabBytes: 0, elementType: data.elementType, reduction: reduction
      ).kernel(initialization: .copyingInput(byteCount: data.byteCount), inPlaceInputs: [0])
        .overwriting([0: 0])
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try ScatterGradient(
      reduction: reduction, scatterType: "ScatterND", gatherType: GatherND.schema.name,
      attributes: [:]
    ).append(to: &builder)
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "elements",
        inputs: [
          .floats([1, 2, 3, 4], [4]), .integers([3, 1], [2, 1]), .floats([9, 10], [2]),
        ], outputs: [.floats([1, 10, 3, 9], [4])], differentiableInputs: [0, 2]),
      OperatorExample(
        "adds rows, one twice", attributes: ["reduction": .string("add")],
        inputs: [
          .floats([1, 2, 3, 4], [2, 2]), .integers([0, 0], [2, 1]),
          .floats([1, 1, 2, 3], [2, 2]),
        ], outputs: [.floats([4, 6, 3, 4], [2, 2])], differentiableInputs: [0, 2]),
      OperatorExample(
        "multiplies", attributes: ["reduction": .string("mul")],
        inputs: [.integers([1, 2, 3], [3]), .integers([-1], [1, 1]), .integers([5], [1])],
        outputs: [.integers([1, 2, 15], [3])]),
      OperatorExample(
        "keeps the smaller rows", attributes: ["reduction": .string("min")],
        inputs: [
          .floats([1, 5, 3, 4], [2, 2]), .integers([0, 0], [2, 1]), .floats([2, 3, 0, 7], [2, 2]),
        ], outputs: [.floats([0, 3, 3, 4], [2, 2])], differentiableInputs: [0, 2]),
    ]
  }
}
