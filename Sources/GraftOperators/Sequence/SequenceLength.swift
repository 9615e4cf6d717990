import GraftExecution
import GraftGraph
import GraftTensor

/// The number of elements of a sequence.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__SequenceLength.html>
struct SequenceLength: Operator {
  static let schema = OperatorSchema("SequenceLength", since: [11], inputs: 1...1)

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .int64, [])
    _ = try context.sequenceElement(0)
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    .dynamic { inputs in
      let elements = try SequenceInputs(values: inputs).sequence(0)
      return [.tensor(try Tensor(scalar: Int64(elements.count)))]
    }
  }

  static var examples: [OperatorExample] {
    let tensor = RuntimeValue.tensor(.floats([1, 2, 3], [3]))
    return [
      OperatorExample(
        "two", values: [.sequence([tensor, tensor])], results: [.tensor(.integers([2], []))]),
      OperatorExample("none", values: [.sequence([])], results: [.tensor(.integers([0], []))]),
    ]
  }
}
