import GraftExecution
import GraftGraph
import GraftTensor

/// The element of a sequence at a position, which may count from the back.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceAt.html>
struct SequenceAt: Operator {
  static let schema = OperatorSchema("SequenceAt", since: [11], inputs: 2...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, try context.sequenceElement(0))
    try context.requirePosition(1)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { inputs, _ in
      let inputs = SequenceInputs(values: inputs)
      let elements = try inputs.sequence(0)
      let position = try inputs.position(1, count: elements.count)
      return [elements[position ?? 0]]
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = builder.add(
      "SequenceAtGradient", domain: "graft",
      [try builder.outputGradient(), try builder.input(0), try builder.input(1)])
    builder.setInputGradient(0, gradient)
  }

  static var examples: [OperatorExample] {
    let sequence = RuntimeValue.sequence([
      .tensor(.floats([1, 2], [2])), .tensor(.floats([3], [1, 1])), .tensor(.floats([], [0])),
    ])
    return [
      OperatorExample(
        "from the front", values: [sequence, .tensor(.integers([1], []))],
        results: [.tensor(.floats([3], [1, 1]))]),
      OperatorExample(
        "from the back", values: [sequence, .tensor(.example([-3] as [Int32], []))],
        results: [.tensor(.floats([1, 2], [2]))]),
      OperatorExample(
        "strings",
        values: [
          .sequence([.tensor(.strings(["a", "b"], [2]))]), .tensor(.integers([0], [])),
        ],
        results: [.tensor(.strings(["a", "b"], [2]))]),
    ]
  }
}
