import GraftExecution
import GraftGraph
import GraftTensor

/// The number of elements of a tensor.
///
/// Specification: <https://onnx.ai/onnx/operators/onnx__Size.html>
struct Size: Operator {
  static let schema = OperatorSchema(
    "Size", since: [1, 13, 19, 21, 23, 24, 25], sameSince: 1, inputs: 1...1)
  static let acceptsUnalignedInputs = true
  static let widening = Widening.isExact

  init(_ attributes: AttributeReader) throws {}

  func infer(_ context: inout InferenceContext) throws {
    context.setOutput(0, .int64, [])
    if let count = try context.shape(0).product().known {
      context.setContents(0, try Tensor(scalar: Int64(count)))
    }
  }

  func prepare(_ context: PrepareContext) throws -> PreparedKernel {
    let count = Int64(try context.input(0).elementCount)
    return .single { $0.output(0, as: Int64.self)[0] = count }
  }

  /// A size does not depend on the values.
  func gradient(_ builder: inout GradientBuilder) throws {}

  static var examples: [OperatorExample] {
    [
      OperatorExample(
        "a matrix", inputs: [.floats([1, 2, 3, 4, 5, 6], [2, 3])], outputs: [.integers([6], [])]),
      OperatorExample("a scalar", inputs: [.floats([1], [])], outputs: [.integers([1], [])]),
      OperatorExample("empty", inputs: [.floats([], [2, 0])], outputs: [.integers([0], [])]),
    ]
  }
}
