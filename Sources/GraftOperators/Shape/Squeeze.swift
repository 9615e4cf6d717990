import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// Removes axes of extent 1: the given ones, or all.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Squeeze.html>
package struct Squeeze: Operator {
  package static let schema = OperatorSchema(
    "Squeeze", since: [1, 11, 13, 21, 23, 24, 25], sameSince: 13, inputs: 1...2)
  package static let acceptsUnalignedInputs = true
  package static let widening = Widening.isExact
  package static let onlyReshapes = true

  package init(_ attributes: AttributeReader) throws {}

  package static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    if version < 13 { try node.moveToInput("axes", at: 1, in: &context) }
  }

  package static func downgrade(
    _ node: inout Node, to opset: Int, in context: inout DowngradeContext
  ) throws {
    try node.moveToAttribute("axes", from: 1, in: context)
    try node.countAxesFromFront(in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    var dropped: Set<Int> = []
    if let axes = try context.integers(1) {
      for axis in axes {
        let axis = try normalizedAxis(axis, rank: shape.count)
        if let extent = shape[axis].known, extent != 1 {
          throw GraftError.badData("axis \(axis) has extent \(extent) and cannot be dropped")
        }
        dropped.insert(axis)
      }
    } else {
      guard let known = shape.knownShape else { throw InferenceStop.unknownShape }
      dropped = Set(known.indices.filter { known[$0] == 1 })
    }
    context.setOutput(
      0, elementType, shape.indices.filter { !dropped.contains($0) }.map { shape[$0] })
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  package func gradient(_ builder: inout GradientBuilder) throws {
    try builder.setReshapedInputGradient()
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "one axis", inputs: [.floats([1, 2], [1, 2, 1]), .integers([0], [1])],
        outputs: [.floats([1, 2], [2, 1])], differentiableInputs: [0]),
      OperatorExample(
        "a negative axis", inputs: [.floats([1, 2], [1, 2, 1]), .integers([-1], [1])],
        outputs: [.floats([1, 2], [1, 2])]),
      OperatorExample(
        "all axes of extent 1", inputs: [.floats([1, 2], [1, 2, 1])],
        outputs: [.floats([1, 2], [2])]),
    ]
  }
}
