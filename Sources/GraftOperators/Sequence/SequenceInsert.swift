import GraftExecution
import GraftGraph
import GraftTensor

/// A sequence with a tensor at a position, which may count from the back: by default at the end.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceInsert.html>
struct SequenceInsert: Operator {
  static let schema = OperatorSchema("SequenceInsert", since: [11], inputs: 2...3)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    let element = try context.sequenceElement(0)
    context.setOutput(0, .sequence(try context.commonElement(element, with: 1)))
    try context.requirePosition(2)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { inputs, memory in
      let inputs = SequenceInputs(values: inputs)
      let elements = try inputs.sequence(0)
      let position =
        try inputs.position(2, count: elements.count, allowsEnd: true) ?? elements.count
      try memory.reserve(RuntimeSequence.elementByteCount)
      return [
        .sequence(elements.inserting(try inputs.value(1).kept(memory), at: position))
      ]
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    let position = try builder.positionFromFront(2, in: try builder.input(0))
    builder.setInputGradient(0, builder.add("SequenceErase", [gradient, position]))
    let last = builder.addConstant(try Tensor(scalar: Int64(-1)))
    builder.setInputGradient(1, builder.add("SequenceAt", [gradient, position ?? last]))
  }

  static var examples: [OperatorExample] {
    let tensors = [[1], [2, 3], [4]].map { (numbers: [Float]) -> RuntimeValue in
      .tensor(.floats(numbers, [numbers.count]))
    }
    let pair = RuntimeValue.sequence([tensors[0], tensors[1]])
    return [
      OperatorExample(
        "at the end", values: [pair, tensors[2]],
        results: [.sequence([tensors[0], tensors[1], tensors[2]])]),
      OperatorExample(
        "at the front", values: [pair, tensors[2], .tensor(.integers([0], []))],
        results: [.sequence([tensors[2], tensors[0], tensors[1]])]),
      OperatorExample(
        "before the last", values: [pair, tensors[2], .tensor(.example([-1] as [Int32], []))],
        results: [.sequence([tensors[0], tensors[2], tensors[1]])]),
      OperatorExample(
        "into an empty sequence of integers",
        values: [.sequence([]), .tensor(.integers([5], [1]))],
        types: [.sequence(.tensor(TensorType(.int64, nil)))],
        results: [.sequence([.tensor(.integers([5], [1]))])]),
    ]
  }
}
