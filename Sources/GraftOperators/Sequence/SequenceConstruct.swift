import GraftExecution
import GraftGraph
import GraftTensor

/// The sequence of some tensors of one element type.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html>
struct SequenceConstruct: Operator {
  static let schema = OperatorSchema(
    "SequenceConstruct", since: [11], inputs: 1...OperatorSchema.unlimited)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    var element = ValueType.tensor(try context.input(0))
    for index in 1..<max(1, context.inputCount) {
      element = try context.commonElement(element, with: index)
    }
    context.setOutput(0, .sequence(element))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { inputs, memory in
      let inputs = SequenceInputs(values: inputs)
      try memory.reserve(inputs.values.count * RuntimeSequence.elementByteCount)
      return [.sequence(try inputs.values.indices.map { try inputs.value($0).kept(memory) })]
    }
  }

  func gradient(_ builder: inout GradientBuilder) throws {
    let gradient = try builder.outputGradient()
    for index in builder.node.inputs.indices where builder.needs(index) {
      let position = builder.addConstant(try Tensor(scalar: Int64(index)))
      builder.setInputGradient(index, builder.add("SequenceAt", [gradient, position]))
    }
  }

  static var examples: [OperatorExample] {
    let (first, second) = (Tensor.floats([1, 2], [2]), Tensor.floats([3, 4, 5], [3, 1]))
    return [
      OperatorExample(
        "two shapes", values: [.tensor(first), .tensor(second)],
        results: [.sequence([.tensor(first), .tensor(second)])]),
      OperatorExample(
        "one tensor twice", values: [.tensor(.integers([7], [])), .tensor(.integers([7], []))],
        results: [.sequence([.tensor(.integers([7], [])), .tensor(.integers([7], []))])]),
    ]
  }
}
