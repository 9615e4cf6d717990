import GraftExecution
import GraftFiles
import GraftGraph
import GraftTensor

/// An empty sequence of tensors of an element type.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceEmpty.html>
struct SequenceEmpty: Operator {
  static let schema = OperatorSchema("SequenceEmpty", since: [11], inputs: 0...0)

  let elementType: ElementType

  init(_ attributes: AttributeReader) throws {
    elementType = try attributes.elementType("dtype") ?? .float
  }

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .sequence(.tensor(TensorType(elementType, nil))))
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .sharing { _, _ in [.sequence([])] }
  }

  static var examples: [OperatorExample] {
    [
      OperatorExample("floats", values: [], results: [.sequence([])]),
      OperatorExample(
        "strings", attributes: ["dtype": .int(Int(ElementType.string.rawValue))], values: [],
        results: [.sequence([])]),
    ]
  }
}
