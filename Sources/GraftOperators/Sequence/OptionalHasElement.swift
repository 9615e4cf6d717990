import GraftExecution
import GraftGraph
import GraftTensor

/// Whether an optional has an element; tensors and sequences do, and an omitted input does not.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__OptionalHasElement.html>
struct OptionalHasElement: Operator {
  static let schema = OperatorSchema(
    "OptionalHasElement", since: [15, 18, 28], sameSince: 15, inputs: 0...1)
  static let acceptsUnalignedInputs = true

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .bool, [])
    let type = try context.type(0)
    if type?.optionalElement == nil {
      context.setContents(0, try Tensor([type != nil], shape: []))
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .dynamic { inputs in
      var hasElement = false
      if let value = inputs.first ?? nil {
        hasElement = true
        if case .optional(nil) = value { hasElement = false }
      }
      return [.tensor(try Tensor([hasElement], shape: []))]
    }
  }

  static var examples: [OperatorExample] {
    let tensor = RuntimeValue.tensor(.floats([1, 2], [2]))
    func result(_ hasElement: Bool) -> [RuntimeValue?] { [.tensor(.bools([hasElement], []))] }
    return [
      OperatorExample("a tensor", values: [.optional(tensor)], results: result(true)),
      OperatorExample(
        "an empty sequence", values: [.optional(.sequence([]))], results: result(true)),
      OperatorExample("empty", values: [.optional(nil)], results: result(false)),
      OperatorExample("no optional", values: [tensor], results: result(true)),
      OperatorExample("no input", values: [], results: result(false)),
      OperatorExample("an omitted input", values: [nil], results: result(false)),
    ]
  }
}
