import GraftExecution
import GraftGraph
import GraftTensor

/// Inserts axes of extent 1. `axes` refer to the output's shape.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>
package struct Unsqueeze: Operator {
  package static let schema = OperatorSchema(
    "Unsqueeze", since: [1, 11, 13, 21, 23, 24, 25], sameSince: 13, inputs: 2...2)
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
    let count = try AttributeReader(node.attributes).ints("axes")?.count ?? 0
    try node.countAxesFromFront(plus: count, in: context)
  }

  package func infer(_ context: inout InferenceContext) throws {
    let elementType = try context.elementType(0)
    context.setOutput(0, elementType, nil)
    let shape = try context.shape(0)
    let axes = try context.contents(1).integers()
    let rank = shape.count + axes.count
    let inserted = Set(try normalizedAxes(axes, rank: rank))
    var remaining = shape.makeIterator()
    context.setOutput(
      0, elementType,
      (0..<rank).map { inserted.contains($0) ? 1 : remaining.next() ?? .unknown })
  }

  package func prepare(_ context: PrepareContext) throws -> PreparedKernel { .alias(input: 0) }

  package func gradient(_ builder: inout GradientBuilder) throws {
    guard builder.needs(0) else { return }
    builder.setInputGradient(
      0, builder.add("Squeeze", [try builder.outputGradient(), try builder.input(1)]))
  }

  package static var examples: [OperatorExample] {
    [
      OperatorExample(
        "two axes, unsorted", inputs: [.floats([1, 2, 3], [3]), .integers([2, 0], [2])],
        outputs: [.floats([1, 2, 3], [1, 3, 1])], differentiableInputs: [0]),
      OperatorExample(
        "a negative axis", inputs: [.floats([1, 2], [1, 2]), .integers([-2], [1])],
        outputs: [.floats([1, 2], [1, 1, 2])]),
    ]
  }
}
