import GraftExecution
import GraftGraph
import GraftTensor

/// Broadcasts a tensor to a shape, which may also be narrower than the tensor.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Expand.html>
package struct Expand: Operator {
  package static let schema = OperatorSchema("Expand", since: [8, 13], sameSince: 8, inputs: 2...2)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyMoves = true

  package init(_ attributes: AttributeReader) throws {}

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    try context.require(1, [.int64])
    let inputShape = try context.input(0).shape
    if let inputShape, let rank = try context.vectorLength(1), rank <= 64 {
      context.setOutput(
        0, elementType, Array(repeating: .unknown, count: max(rank, inputShape.count)))
    }
    let target = [Dimension](try context.extents(1))
    guard let inputShape else { throw InferenceStop.unknownShape }
    let shape = try broadcast([inputShape, target])
    _ = try shape.knownShape?.checkedElementCount()
    context.setOutput(0, elementType, shape)
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try context.movingStrings { context in
      let input = try context.input(0)
      let output = try context.output(0)
      let strides = input.shape.denseStrides
      let leading = output.rank - input.rank
      let axes = zip(output.shape, output.shape.denseStrides).enumerated().map { axis, output in
        let isRepeated = axis < leading || input.shape[axis - leading] == 1
        return ElementCopy.Axis(
          extent: output.0, sourceStride: isRepeated ? 0 : strides[axis - leading],
          destinationStride: output.1)
      }
      return .reordering(
        ElementCopy(from: .input(0), width: input.elementType.byteWidth, axes: axes),
        inputByteCount: input.byteCount)
    }
  }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    try builder.setBroadcastInputGradient(0, builder.outputGradient())
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a column", inputs: [.floats([1, 2], [2, 1]), .integers([2, 3], [2])],
        outputs: [.floats([1, 1, 1, 2, 2, 2], [2, 3])], differentiableInputs: [0]),
      OperatorExample(
        "to more axes, a one stays", inputs: [.floats([1, 2], [2]), .integers([2, 1], [2])],
        outputs: [.floats([1, 2, 1, 2], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "to nothing", inputs: [.floats([1], [1]), .integers([0], [1])],
        outputs: [.floats([], [0])]),
    ]
  }
}
