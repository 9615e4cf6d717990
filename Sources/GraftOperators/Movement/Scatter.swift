import GraftExecution
import GraftFiles
import GraftGraph

/// The old name of ``ScatterElements``, without reductions.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Scatter.html>
struct Scatter: Operator {
  static let schema = OperatorSchema("Scatter", since: [9, 11], sameSince: 9, inputs: 3...3)

  private let newForm: ScatterElements

  init(_ attributes: AttributeReader) throws {
    newForm = try ScatterElements(attributes)
  }

  static func upgrade(
    _ node: inout Node, from version: Int, in context: inout UpgradeContext
  ) throws {
    node.operatorType = ScatterElements.schema.name
  }

  func infer(_ context: inout InferenceContext) throws { try newForm.infer(&context) }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    try newForm.prepare(context)
  }

  func gradient(_ builder: inout GradientBuilder) throws { try newForm.gradient(&builder) }

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "along rows", attributes: ["axis": .int(1)],
        inputs: [
          .floats([1, 2, 3, 4, 5], [1, 5]), .integers([1, 3], [1, 2]),
          .floats([1.1, 2.1], [1, 2]),
        ], outputs: [.floats([1, 1.1, 3, 2.1, 5], [1, 5])], differentiableInputs: [0, 2]),
      OperatorExample(
        "nothing to update",
        inputs: [.floats([1, 2], [2]), .integers([], [0]), .floats([], [0])],
        outputs: [.floats([1, 2], [2])]),
    ]
  }
}
