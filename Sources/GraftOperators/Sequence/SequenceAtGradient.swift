import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The gradient of SequenceAt by its sequence: zeros like all other elements, and the gradient at
/// the position.
///
/// Inputs: the gradient of the element, the sequence, the position.
struct SequenceAtGradient: Operator {
  static let schema = OperatorSchema(
    "SequenceAtGradient", domain: "graft", since: [1], inputs: 3...3)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    _ = try context.input(0)
    context.setOutput(0, .sequence(try context.sequenceElement(1)))
    try context.requirePosition(2)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .growing { values, memory in
      let inputs = SequenceInputs(values: values)
      let elements = try inputs.sequence(1)
      let position = try inputs.position(2, count: elements.count)
      let gradient = try inputs.value(0).tensor
      try memory.require([elements.memoryByteCount])
      return [
        .sequence(
          try elements.enumerated().map { place, element -> RuntimeValue in
            let tensor = try element.tensor
            guard place == position else {
              return .tensor(try Tensor(zeros: tensor.elementType, shape: tensor.shape))
            }
            guard gradient.shape == tensor.shape else {
              throw GraftError.badData(
                "the gradient has shape \(gradient.shape), the element \(tensor.shape)")
            }
            return .tensor(try gradient.copied())
          })
      ]
    }
  }

  static var examples: [OperatorExample] {
    let sequence = RuntimeValue.sequence([
      .tensor(.floats([1, 2], [2])), .tensor(.floats([3], [1, 1])),
    ])
    return [
      OperatorExample(
        "from the back",
        values: [.tensor(.floats([5, 6], [2])), sequence, .tensor(.integers([-2], []))],
        results: [.sequence([.tensor(.floats([5, 6], [2])), .tensor(.floats([0], [1, 1]))])])
    ]
  }
}
