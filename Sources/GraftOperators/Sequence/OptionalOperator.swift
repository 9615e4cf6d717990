import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// The optional with the input, or the empty one of the type `type`.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Optional.html>
struct OptionalOperator: Operator {
  static let schema = OperatorSchema(
    "Optional", since: [15, 28], sameSince: 15, inputs: 0...1)

  let declaredType: ValueType?

  init(_ attributes: AttributeReader) throws {
    guard let attribute = attributes.attributes["type"] else {
      declaredType = nil
      return
    }
    guard case .type(let type) = attribute else {
      throw GraftError.badData("attribute 'type' is of kind \(attribute.kind); expected type")
    }
    declaredType = type
  }

  func infer(_ context: inout InferenceContext) throws {
    if let declaredType { context.setOutput(0, .optional(declaredType)) }
    guard let type = context.hasInput(0) ? try context.type(0) : nil else {
      guard declaredType != nil else {
        throw GraftError.badData("has neither an input nor the attribute 'type'")
      }
      return
    }
    if case .optional = type {
      throw GraftError.badData("input 0 is \(type); expected a tensor or a sequence")
    }
    if let declaredType, declaredType.joined(with: type) == nil {
      throw GraftError.badData("input 0 is \(type); attribute 'type' is \(declaredType)")
    }
    context.setOutput(0, .optional(type))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { inputs, memory in
      [.optional(try inputs.first??.kept(memory))]
    }
  }

  static var examples: [OperatorExample] {
    let tensor = RuntimeValue.tensor(.floats([1, 2], [2]))
    let type = ValueType.tensor(TensorType(.float, nil))
    return [
      OperatorExample("a tensor", values: [tensor], results: [.optional(tensor)]),
      OperatorExample(
        "a sequence of the given type", attributes: ["type": .type(.sequence(type))],
        values: [.sequence([tensor])], results: [.optional(.sequence([tensor]))]),
      OperatorExample(
        "empty", attributes: ["type": .type(type)], values: [], results: [.optional(nil)]),
    ]
  }
}
