import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The element of an optional; tensors and sequences pass through.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__OptionalGetElement.html>
struct OptionalGetElement: Operator {
  static let schema = OperatorSchema(
    "OptionalGetElement", since: [15, 18, 28], sameSince: 15, inputs: 1...1)
  static let acceptsUnalignedInputs = true

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    guard let type = try context.type(0) else {
      throw GraftError.badData("input 0 is missing")
    }
    context.setOutput(0, type.optionalElement ?? type)
  }

  func isIdentity(_ context: InferenceContext) -> Bool {
    guard let type = context.inputTypes.first ?? nil else { return false }
    return type.optionalElement == nil
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    if context.hasInput(0) { return .alias(input: 0) }
    return .sharing { inputs, _ in
      let value = try SequenceInputs(values: inputs).value(0)
      guard case .optional(let element) = value else { return [value] }
      guard let element else { throw GraftError.badData("the optional is empty") }
      return [element]
    }
  }

  static var examples: [OperatorExample] {
    let tensor = RuntimeValue.tensor(.floats([1, 2], [2]))
    let sequence = RuntimeValue.sequence([tensor, .tensor(.floats([3], [1]))])
    return [
      OperatorExample("a tensor", values: [.optional(tensor)], results: [tensor]),
      OperatorExample("a sequence", values: [.optional(sequence)], results: [sequence]),
      OperatorExample("a tensor as it is", values: [tensor], results: [tensor]),
      OperatorExample("a sequence as it is", values: [sequence], results: [sequence]),
    ]
  }
}
