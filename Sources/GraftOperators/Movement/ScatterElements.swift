import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A copy of `data` with single elements updated: the position along `axis` comes from `indices`,
/// the other positions are those of the index itself. Updates to the same position are applied in
/// order.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>
package struct ScatterElements: Operator {
  package static let schema = OperatorSchema(
    "ScatterElements", since: [11, 13, 16, 18], sameSince: 11, inputs: 3...3)

  let axis: Int
  let reduction: ScatterReduction

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
    reduction = try ScatterReduction(attributes)
  }

  /// Before opset 11 it was called Scatter.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
    try node.requireIndicesFromFront(at: 1, in: context)
    guard try AttributeReader(node.attributes).string("reduction", default: "none") == "none" else {
      throw GraftError.unsupported("'reduction' is newer")
    }
    node.attributes["reduction"] = nil
    node.operatorType = Scatter.schema.name
  }

  package func infer(_ context: inout InferenceContext) throws {
    try context.setOutputLikeInput(0)
    try reduction.check(context.elementType(0))
    try context.requireSameElementType([0, 2])
    try context.require(1, .indices)
    try context.requireElementwiseIndices(1, axis: axis)
    try context.requireShape(2, context.shape(1))
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let data = try context.input(0)
      let axis = try normalizedAxis(axis, rank: data.rank)
      let shape = try context.input(2).shape
      return try ScatterKernel(
        offsets: IndexOffsets(elementwise: 1, of: data, axis: axis, in: context), updates: 2,
        outer: shape[..<axis].reduce(1, *), count: shape[axis],
        inner: shape[(axis + 1)...].reduce(1, *), elementType: data.elementType,
        reduction: reduction
      ).kernel(initialization: .copyingInput(byteCount: data.byteCount), inPlaceInputs: [0])
        .overwriting([0: 0])
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try ScatterGradient(
      reduction: reduction, scatterType: "ScatterElements", gatherType: GatherElements.schema.name,
      attributes: ["axis": .int(axis)]
    ).append(to: &builder)
  }

  package static var examples: [OperatorExample] {
    let row = Tensor.floats([1, 2, 3, 4, 5], [1, 5])
    return [
      OperatorExample(
        "along columns",
        inputs: [
          .floats([0, 0, 0, 0, 0, 0, 0, 0, 0], [3, 3]), .integers([1, 0, 2, 0, 2, 1], [2, 3]),
          .floats([1, 1.1, 1.2, 2, 2.1, 2.2], [2, 3]),
        ], outputs: [.floats([2, 1.1, 0, 1, 0, 2.2, 0, 2.1, 1.2], [3, 3])],
        differentiableInputs: [0, 2]),
      OperatorExample(
        "adds to one place twice", attributes: ["axis": .int(1), "reduction": .string("add")],
        inputs: [row, .integers([1, -4], [1, 2]), .floats([1.5, 2], [1, 2])],
        outputs: [.floats([1, 5.5, 3, 4, 5], [1, 5])], differentiableInputs: [0, 2]),
      OperatorExample(
        "keeps the larger", attributes: ["axis": .int(1), "reduction": .string("max")],
        inputs: [row, .integers([1, 1], [1, 2]), .floats([1.5, 2.5], [1, 2])],
        outputs: [.floats([1, 2.5, 3, 4, 5], [1, 5])], differentiableInputs: [0, 2]),
      OperatorExample(
        "multiplies, with zeros", attributes: ["axis": .int(1), "reduction": .string("mul")],
        inputs: [
          .floats([2, 0, 0, 4, 5], [1, 5]), .integers([1, 1, 2, 3, 4, 4], [1, 6]),
          .floats([3, 2, 0, 0, 2, 3], [1, 6]),
        ], outputs: [.floats([2, 0, 0, 0, 30], [1, 5])], differentiableInputs: [0, 2]),
    ]
  }
}
