import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A tensor with the shape in its input, filled with one value.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>
struct ConstantOfShape: Operator {
  static let schema = OperatorSchema(
    "ConstantOfShape", since: [9, 20, 21, 23, 24, 25], sameSince: 9, inputs: 1...1)

  /// One element.
  let value: Tensor

  init(_ attributes: AttributeReader) throws {
    value = try attributes.tensor("value") ?? Tensor([Float(0)], shape: [1])
    guard value.elementCount == 1, value.elementType != .string else {
      throw GraftError.badData(
        "attribute 'value' is \(value.elementType)\(value.shape); expected one number")
    }
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, value.elementType, nil)
    try context.require(0, [.int64])
    if let rank = try context.vectorLength(0), rank <= 64 {
      context.setOutput(0, value.elementType, Array(repeating: .unknown, count: rank))
    }
    context.setOutput(0, value.elementType, [Dimension](try context.extents(0)))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .copying([
      ElementCopy(
        from: .tensor(value), width: value.elementType.byteWidth,
        axes: [
          .init(
            extent: try context.output(0).elementCount, sourceStride: 0, destinationStride: 1)
        ])
    ])
  }

  /// A shape does not depend on the values.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "zeros", inputs: [.integers([2, 2], [2])], outputs: [.floats([0, 0, 0, 0], [2, 2])]),
      OperatorExample(
        "a scalar", attributes: ["value": .tensor(.integers([7], [1]))],
        inputs: [.integers([], [0])], outputs: [.integers([7], [])]),
      OperatorExample(
        "empty", attributes: ["value": .tensor(.bools([true], [1]))],
        inputs: [.integers([0], [1])], outputs: [.bools([], [0])]),
    ]
  }
}
