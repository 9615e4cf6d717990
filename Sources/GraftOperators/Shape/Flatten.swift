import GraftExecution
import GraftFiles
import GraftGraph

/// A matrix: the axes before `axis` become its rows, the others its columns.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Flatten.html>
package struct Flatten: Operator {
  package static let schema = OperatorSchema(
    "Flatten", since: [1, 9, 11, 13, 21, 23, 24, 25], sameSince: 11, inputs: 1...1)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyReshapes = true

  let axis: Int

  package init(_ attributes: AttributeReader) throws {
    axis = try attributes.int("axis", default: 1)
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.countAxisFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, [.unknown, .unknown])
    let shape = try context.shape(0)
    // Unlike elsewhere, the rank itself is also a valid axis.
    guard axis >= -shape.count, axis <= shape.count else {
      throw GraftError.badData("axis \(axis) is out of range for rank \(shape.count)")
    }
    let cut = axis < 0 ? axis + shape.count : axis
    context.setOutput(
      0, elementType, [try shape[..<cut].product(), try shape[cut...].product()])
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setReshapedInputGradient()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "default axis", inputs: [.floats([1, 2, 3, 4], [2, 1, 2])],
        outputs: [.floats([1, 2, 3, 4], [2, 2])], differentiableInputs: [0]),
      OperatorExample(
        "axis 0", attributes: ["axis": .int(0)], inputs: [.floats([1, 2, 3, 4], [2, 2])],
        outputs: [.floats([1, 2, 3, 4], [1, 4])]),
      OperatorExample(
        "a negative axis", attributes: ["axis": .int(-1)],
        inputs: [.floats([1, 2, 3, 4], [2, 1, 2])], outputs: [.floats([1, 2, 3, 4], [2, 2])]),
      OperatorExample(
        "the rank as axis, empty", attributes: ["axis": .int(2)], inputs: [.floats([], [0, 2])],
        outputs: [.floats([], [0, 1])]),
    ]
  }
}
