import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Takes slices of `data` along `axis` by `indices`; negative indices count from the end.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Gather.html>
package struct Gather: Operator {
  package static let schema = OperatorSchema(
    "Gather", since: [1, 11, 13], sameSince: 11, inputs: 2...2)
  package static let widening = Widening.isExact
  package static let onlyMoves = true

  package let axis: Int

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 0)
  }

  /// Before opset 11, indices count from the front.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
    try node.requireIndicesFromFront(at: 1, in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(1, .indices)
    let shape = try context.shape(0)
    let axis = try normalizedAxis(axis, rank: shape.count)
    let result = Array(shape[..<axis]) + (try context.shape(1)) + shape[(axis + 1)...]
    _ = try result.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, result)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let data = try context.input(0)
      let axis = try normalizedAxis(axis, rank: data.rank)
      let rowBytes = data.shape[(axis + 1)...].reduce(data.elementType.byteWidth, *)
      return .gathering(
        try Gather.offsets(context, indices: 1, axis: axis, data: data),
        slabCount: data.shape[..<axis].reduce(1, *), slabBytes: data.shape[axis] * rowBytes,
        rowBytes: rowBytes)
    }
  }

  /// The offsets of the indexed slices, within the elements from `axis` on.
  static func offsets(
    _ context: PrepareContext, indices: Int, axis: Int, data: PrepareContext.Description
  ) throws -> IndexOffsets {
    let input = try context.input(indices)
    return IndexOffsets(
      input: indices, elementType: input.elementType,
      components: [
        .init(
          axis: axis, extent: data.shape[axis],
          step: data.shape[(axis + 1)...].reduce(data.elementType.byteWidth, *))
      ], bases: [.init(extent: input.elementCount, step: 0)])
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0,
      builder.add(
        "GatherGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0), try builder.input(1)],
        attributes: ["axis": .int(axis)]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "rows, one twice",
        inputs: [.floats([1, 2, 3, 4, 5, 6], [3, 2]), .integers([0, 1, 1, -1], [2, 2])],
        outputs: [.floats([1, 2, 3, 4, 3, 4, 5, 6], [2, 2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "a column, dropped", attributes: ["axis": .int(-1)],
        inputs: [.floats([1, 2, 3, 4, 5, 6], [3, 2]), .example([Int32(1)], [])],
        outputs: [.floats([2, 4, 6], [3])], differentiableInputs: [0]),
      OperatorExample(
        "none", inputs: [.floats([1, 2], [2]), .integers([], [0])], outputs: [.floats([], [0])]),
      OperatorExample(
        "strings", inputs: [.strings(["a", "b"], [2]), .integers([1, 0, 1], [3])],
        outputs: [.strings(["b", "a", "b"], [3])]),
    ]
  }
}
