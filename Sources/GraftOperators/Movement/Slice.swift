import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Elements from `starts` to `ends`, exclusive, in `steps` along `axes`, as NumPy slices.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Slice.html>
package struct Slice: Operator {
  package static let schema = OperatorSchema(
    "Slice", since: [1, 10, 11, 13], sameSince: 11, inputs: 3...5)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyMoves = true

  package init(_ attributes: AttributeReader) throws {}

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    guard version < 10 else { return }
    try node.moveToInput("starts", at: 1, in: &context)
    try node.moveToInput("ends", at: 2, in: &context)
    try node.moveToInput("axes", at: 3, in: &context)
  }

  /// Before opset 11 axes count from the front; before 10 everything is constant, without steps.
  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    if opset == 10 {
      if let axes = try node.constantIntegers("axes", at: 3, in: context),
        axes.contains(where: { $0 < 0 })
      {
        let rank = try context.rank(node.inputs[0], of: "input 0")
        node.inputs[3] = try context.addIntegers(try normalizedAxes(axes, rank: rank))
      }
      if node.inputs.count > 4, node.inputs[4] != nil, !context.isFromFile(before: 11) {
        let steps = try node.constantIntegers("steps", at: 4, in: context)
        guard steps?.allSatisfy({ $0 > 0 }) ?? true else {
          throw GraftError.unsupported("'steps' are negative")
        }
      }
      return
    }
    let steps = try node.constantIntegers("steps", at: 4, in: context)
    guard steps?.allSatisfy({ $0 == 1 }) ?? true else {
      throw GraftError.unsupported("'steps' are not 1")
    }
    for (index, name) in [(1, "starts"), (2, "ends"), (3, "axes")] {
      if let integers = try node.constantIntegers(name, at: index, in: context) {
        node.attributes[name] = .ints(integers)
      }
    }
    node.removeInputs(from: 1)
    try node.countAxesFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    var shape = try context.shape(0)
    for index in 1...4 where context.hasInput(index) {
      try context.require(index, .indices)
    }
    context.setOutput(0, elementType, Array(repeating: .unknown, count: shape.count))
    let ranges = try SliceRanges(
      starts: context.contents(1).integers(), ends: context.contents(2).integers(),
      axes: context.integers(3), steps: context.integers(4), rank: shape.count)
    for range in ranges.ranges { shape[range.axis] = range.extent(of: shape[range.axis]) }
    context.setOutput(0, elementType, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let view = try SliceRanges(context, firstInput: 1, rank: input.rank).view(of: input.shape)
      let strides = view.shape.denseStrides
      let axes = view.shape.indices.map {
        ElementCopy.Axis(
          extent: view.shape[$0], sourceStride: view.strides[$0], destinationStride: strides[$0])
      }
      return .reordering(
        ElementCopy(
          from: .input(0), width: input.elementType.byteWidth, axes: axes,
          sourceOffset: view.offset),
        inputByteCount: input.byteCount)
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    let slicing = Array(builder.node.inputs.dropFirst())
    builder.setInputGradient(
      0,
      builder.add(
        "SliceGradient", domain: "graft",
        [try builder.outputGradient(), try builder.input(0)] + slicing))
  }

  package static var examples: [OperatorExample] {
    let matrix = Tensor.floats([1, 2, 3, 4, 5, 6, 7, 8], [2, 4])
    return [
      OperatorExample(
        "steps",
        inputs: [
          matrix, .integers([1, 0], [2]), .integers([2, 3], [2]), .integers([0, 1], [2]),
          .integers([1, 2], [2]),
        ], outputs: [.floats([5, 7], [1, 2])], differentiableInputs: [0]),
      OperatorExample(
        "backwards, clamped",
        inputs: [
          matrix, .integers([.max], [1]), .integers([.min], [1]), .integers([-1], [1]),
          .integers([-2], [1]),
        ], outputs: [.floats([4, 2, 8, 6], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "without axes", inputs: [matrix, .integers([0, 1], [2]), .integers([-1, 1000], [2])],
        outputs: [.floats([2, 3, 4], [1, 3])]),
      OperatorExample(
        "empty", inputs: [matrix, .integers([3], [1]), .integers([1], [1]), .integers([1], [1])],
        outputs: [.floats([], [2, 0])]),
    ]
  }
}
