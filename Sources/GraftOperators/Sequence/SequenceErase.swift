import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// A sequence without the element at a position: by default the last one.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceErase.html>
struct SequenceErase: Operator {
  static let schema = OperatorSchema("SequenceErase", since: [11], inputs: 1...2)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .sequence(try context.sequenceElement(0)))
    try context.requirePosition(1)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { inputs, _ in
      let inputs = SequenceInputs(values: inputs)
      let elements = try inputs.sequence(0)
      guard !elements.isEmpty else { throw GraftError.badData("the sequence is empty") }
      let position = try inputs.position(1, count: elements.count) ?? elements.count - 1
      return [.sequence(elements.erasing(at: position))]
    }
  }

  /// The gradient has zeros at the position.
  func gradient(_ builder: inout GradientBuilder) throws {
    let sequence = try builder.input(0)
    guard let type = builder.graph[sequence].type?.sequenceElement?.tensor?.elementType else {
      throw GraftError.unsupported("needs the type of the sequence's elements")
    }
    let position = try builder.positionFromFront(1, in: sequence)
    let last = builder.addConstant(try Tensor(scalar: Int64(-1)))
    let element = builder.add("SequenceAt", [sequence, position ?? last])
    let zeros = builder.add(
      "ConstantOfShape", [builder.add("Shape", [element])],
      attributes: ["value": .tensor(try Tensor(zeros: type, shape: [1]))])
    builder.setInputGradient(
      0, builder.add("SequenceInsert", [try builder.outputGradient(), zeros, position]))
  }

  static var examples: [OperatorExample] {
    let tensors = [[1], [2, 3], [4]].map { (numbers: [Int64]) -> RuntimeValue in
      .tensor(.integers(numbers, [numbers.count]))
    }
    return [
      OperatorExample(
        "the last one", values: [.sequence(tensors)],
        results: [.sequence([tensors[0], tensors[1]])]
      ),
      OperatorExample(
        "from the front", values: [.sequence(tensors), .tensor(.integers([1], []))],
        results: [.sequence([tensors[0], tensors[2]])]),
      OperatorExample(
        "from the back", values: [.sequence(tensors), .tensor(.integers([-3], []))],
        results: [.sequence([tensors[1], tensors[2]])]),
      OperatorExample(
        "nothing is left", values: [.sequence([tensors[0]])], results: [.sequence([])]),
    ]
  }
}
